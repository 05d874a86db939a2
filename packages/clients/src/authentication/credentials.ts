import { Refusal } from '@mono-auth/core/errors';
import type { ClientId } from '@mono-auth/core/ids';
import type { TenantTx } from '@mono-auth/database';
import type { ClientCertificate } from '@mono-auth/transport';
import type { Client } from '../client.ts';
import type { AttestedMethod } from '../manifest.ts';
import { unverifiedClaims } from '../peer-jwt.ts';
import { readBasic } from './basic.ts';
import { invalidClient } from './invalid-client.ts';

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** What an instance of a client shows instead of a credential: judged by who knows the attesters, which stand above. */
export interface InstanceProof {
  /** What the client is called there, before anything is proven. */
  readonly clientName: string;
  readonly method: AttestedMethod;
  /**
   * Whether somebody vouches for this instance of this client. For nobody (`undefined`) the work is the same and the outcome
   * a refusal.
   * @throws Refusal
   */
  prove(tx: TenantTx, client: Client | undefined): Promise<void>;
  useUp(tx: TenantTx, clientId: ClientId): Promise<void>;
}

/** What a client says about itself at an endpoint: form parameters, headers, its certificate. */
export interface ClientAuthentication {
  readonly client_assertion_type?: string | undefined;
  readonly client_assertion?: string | undefined;
  readonly client_id?: string | undefined;
  readonly client_secret?: string | undefined;
  readonly authorization?: string | undefined;
  /** As a trusted proxy has verified it; absent from everybody else. */
  readonly certificate?: ClientCertificate | undefined;
  readonly instance?: InstanceProof | undefined;
}

/** One claim to be one client, and what is to prove it. */
export type Credentials =
  | { readonly method: 'private_key_jwt'; readonly clientId: string; readonly assertion: string }
  | {
      readonly method: 'client_secret_basic' | 'client_secret_post';
      readonly clientId: string;
      readonly secret: string;
    }
  | { readonly method: 'instance'; readonly clientId: string; readonly instance: InstanceProof }
  // Nothing but the name: who is registered with a certificate shows it beside, who is public shows nothing.
  | { readonly method: 'named'; readonly clientId: string; readonly certificate: ClientCertificate | undefined };

/**
 * Which method the request uses.
 * @throws Refusal `invalid_request` for two methods at once (RFC 6749 §2.3); `invalid_client` for none that can be read.
 */
export function readCredentials(params: ClientAuthentication): Credentials {
  const assertion = params.client_assertion ?? params.client_assertion_type;
  const { client_secret, authorization, instance } = params;
  const tried = [assertion, client_secret, authorization, instance].filter((part) => part !== undefined);
  if (tried.length > 1) throw new Refusal('invalid_request', 'a client authenticates by one method at a time');
  if (assertion !== undefined) return readAssertion(params);
  if (instance !== undefined) return { method: 'instance', clientId: instance.clientName, instance };
  if (authorization !== undefined) {
    const { clientId, secret } = readBasic(authorization);
    // RFC 6749 §3.2.1: a public client names itself so; whoever does both must name the same client.
    if (params.client_id !== undefined && params.client_id !== clientId) throw invalidClient('client_id differs');
    return { method: 'client_secret_basic', clientId, secret };
  }
  if (params.client_id === undefined) throw invalidClient('no client names itself');
  if (client_secret !== undefined) {
    return { method: 'client_secret_post', clientId: params.client_id, secret: client_secret };
  }
  return { method: 'named', clientId: params.client_id, certificate: params.certificate };
}

/** RFC 7523 §2.2: the client is the subject of its assertion; `client_id` is optional beside it. */
function readAssertion({ client_assertion, client_assertion_type, client_id }: ClientAuthentication): Credentials {
  if (client_assertion_type !== assertionType || !client_assertion) throw invalidClient('no client assertion');
  let sub: unknown;
  try {
    ({ sub } = unverifiedClaims(client_assertion));
  } catch (cause) {
    throw invalidClient(cause);
  }
  if (typeof sub !== 'string') throw invalidClient('the assertion has no sub');
  if (client_id !== undefined && client_id !== sub) throw invalidClient('client_id is not its sub');
  return { method: 'private_key_jwt', clientId: sub, assertion: client_assertion };
}
