import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import { newId, type UserId } from '@mono-auth/core/ids';
import type { Call, Principal } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import { memberRole } from '@mono-auth/tenants';
import type { Client } from '../client.ts';
import { readName } from '../client-fields.ts';
import { newClient } from '../create-client.ts';
import { manifestHash } from '../manifest-hash.ts';
import type { RegistrationToken } from '../registration-tokens/registration-token.ts';
import { secretDigest } from '../secrets/client-secret.ts';
import { lockRegistrationTokenByDigest, updateTokenUsed } from '../store/registration-tokens.ts';
import { hasWaitingTwin, updateRegistrationDigest } from '../store/registrations.ts';
import { insertClient } from '../store.ts';
import { authMethodDefault, readClientMetadata } from './client-metadata.ts';
import { inRegistrationTerms, registeredManifest } from './registered-manifest.ts';
import { freshRegistrationToken, registrationDenied } from './registration-credential.ts';
import { type IssuedSecret, issueSecret } from './registration-secret.ts';

export interface Registered {
  readonly client: Client;
  readonly registrationToken: string;
  readonly secret: IssuedSecret | undefined;
}

/**
 * Registers a client with an administrator's token (RFC 7591 §3): submitted, waiting for its approval, and good for nothing
 * until then. The token is used up with the client that it makes, and not by anything that is refused.
 * @throws Refusal `not_authenticated`, in one text for every fault of the token; `invalid_client_metadata`,
 * `invalid_redirect_uri` or `unapproved_software_statement` naming the member.
 */
export async function registerClient(
  tx: TenantTx,
  call: Call,
  input: { readonly token: string; readonly json: string; readonly baseUrl: string },
): Promise<Registered> {
  const token = await requireUnused(tx, call.runtime, input.token);
  const metadata = readClientMetadata(input.json, authMethodDefault);
  const { environment } = token;
  const about = { kind: metadata.kind, environment, manifest: undefined, proposed: undefined, baseUrl: input.baseUrl };
  const manifest = await registeredManifest(tx, call, metadata, about);
  const hasIdentity = manifest.redirectUris.length > 0 || manifest.jwks.keys.length > 0 || manifest.jwksUri;
  if (hasIdentity && (await hasWaitingTwin(tx, environment, manifest))) {
    throw new Refusal('invalid_client_metadata', 'the same registration waits for its approval already');
  }
  const id = newId(call.runtime, 'cli');
  const named = { kind: metadata.kind, name: await nameOf(metadata.name, id), environment, product: '' };
  const client: Client = {
    ...newClient(call, named, manifest),
    id,
    status: 'submitted',
    source: 'registration',
    ownerUserId: await livingOwner(tx, token.ownerUserId),
    manifest: undefined,
    proposed: manifest,
    proposedSubmitted: true,
    submittedBy: principalOf(id),
  };
  if (!(await insertClient(tx, client, undefined))) {
    throw new Refusal('invalid_client_metadata', 'client_name: is another client’s; choose another one');
  }
  await updateTokenUsed(tx, token.id, id);
  const own = freshRegistrationToken(call.runtime);
  await updateRegistrationDigest(tx, id, own.digest);
  const secret = await issueSecret(tx, call, id, manifest.authMethod);
  await append(tx, call, {
    type: 'client.registered',
    object: { kind: 'client', id },
    detail: {
      ...{ kind: client.kind, name: client.name, environment, manifest_hash: manifestHash(manifest) },
      ...{ registration_token: token.id, label: token.label },
    },
  });
  return { client, registrationToken: own.text, secret };
}

/** A client that calls for itself, about itself. */
export function principalOf(id: Client['id']): Principal {
  return `client:${id}`;
}

/** Locked: of parallel uses one wins, and the others find it used. */
async function requireUnused(tx: TenantTx, runtime: Runtime, text: string): Promise<RegistrationToken> {
  const token = await lockRegistrationTokenByDigest(tx, secretDigest(text));
  if (!token) throw registrationDenied('no such initial access token');
  if (token.revoked) throw registrationDenied('the initial access token was revoked');
  if (token.usedForClientId) throw registrationDenied('the initial access token was used');
  if (token.expiresAtMs <= runtime.nowMs()) throw registrationDenied('the initial access token has expired');
  return token;
}

function nameOf(name: string | undefined, id: Client['id']): Promise<string> {
  return inRegistrationTerms(async () => (name === undefined || name === '' ? id : readName(name, 'client_name')));
}

/** Who has left answers for nothing; an operator names somebody else. */
async function livingOwner(tx: TenantTx, owner: UserId | undefined): Promise<UserId | undefined> {
  return owner && (await memberRole(tx, owner)) !== undefined ? owner : undefined;
}
