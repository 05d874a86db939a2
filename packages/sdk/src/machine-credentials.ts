import { Refusal } from '@mono-auth/core/errors';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import type { JWK } from 'jose';
import { fetchJson } from './fetch-json.ts';
import { fetchIssuerMetadata } from './issuer-metadata.ts';
import { refusalOfOAuth } from './rpc-errors.ts';
import type { Fetch, TokenSource } from './rpc-transport.ts';
import { openSigningKey, type SigningKey } from './signing-key.ts';

export interface MachineCredentialsOptions {
  readonly issuer: string;
  /** `cli_…` */
  readonly clientId: string;
  /** Private key of the client, ES256 or EdDSA; its public half is registered with the client. */
  readonly privateJwk: JWK;
  readonly fetch?: Fetch;
  readonly runtime?: Runtime;
}

export interface TokenRequest {
  /** The resource that the token is for; the default is the management API, or the issuer for an agent's token. */
  readonly audience?: string | undefined;
  readonly scope?: readonly string[] | undefined;
  /** `agt_…`: the token of an agent on this host, good as an actor token. */
  readonly agent?: string | undefined;
}

export interface ExchangeRequest {
  readonly subjectToken: string;
  readonly actorToken?: string | undefined;
  readonly audience: string;
  readonly scope?: readonly string[] | undefined;
}

export interface IssuedToken {
  readonly accessToken: string;
  readonly expiresInSeconds: number;
  readonly scope: string;
}

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** rfc7523bis: the type that clients must give their assertions. */
const assertionJwtType = 'client-authentication+jwt';
const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessTokenUrn = 'urn:ietf:params:oauth:token-type:access_token';
/** A kept token is replaced when this part of its life is left, so that no request goes out with one that ends on the way. */
const renewAtShareLeft = 0.25;
/** Kept tokens, one for each audience, scope and agent asked for: a host with its agents stays far below. */
const keptTokensMax = 256;

interface KeptToken {
  readonly token: Promise<IssuedToken>;
  renewAtMs: number;
}

/** A client that authenticates with private_key_jwt (RFC 7523, rfc7523bis): a host, a workload or a service. */
export class MachineCredentials {
  readonly #options: MachineCredentialsOptions;
  readonly #fetch: Fetch;
  readonly #runtime: Runtime;
  readonly #kept = new Map<string, KeptToken>();
  #key: Promise<SigningKey> | undefined;
  #tokenEndpoint: Promise<string> | undefined;

  constructor(options: MachineCredentialsOptions) {
    this.#options = options;
    this.#fetch = options.fetch ?? globalThis.fetch;
    this.#runtime = options.runtime ?? systemRuntime;
  }

  /**
   * An access token by client credentials (RFC 6749 §4.4), kept and replaced before it ends.
   * @throws Refusal as the issuer gave it, `unavailable` when it does not answer.
   */
  async getToken(request: TokenRequest = {}): Promise<string> {
    const { audience = '', scope = [], agent = '' } = request;
    const name = JSON.stringify([audience, [...scope].sort(), agent]);
    const known = this.#kept.get(name);
    if (known && this.#runtime.monotonicMs() < known.renewAtMs) return (await known.token).accessToken;
    return (await this.#keep(name, this.#request(clientCredentialsForm(request)))).accessToken;
  }

  /** `getToken` as the source that transports and subscribers take. */
  tokenSource(request: TokenRequest = {}): TokenSource {
    return ({ renew } = { renew: false }) => {
      if (renew) this.#kept.clear();
      return this.getToken(request);
    };
  }

  /** Token exchange (RFC 8693 §2.1). Never kept: the answer depends on whose tokens were handed in. */
  exchange({ subjectToken, actorToken, audience, scope }: ExchangeRequest): Promise<IssuedToken> {
    const form = new URLSearchParams({ grant_type: exchangeGrant, audience });
    form.set('subject_token', subjectToken);
    form.set('subject_token_type', accessTokenUrn);
    if (actorToken !== undefined) {
      form.set('actor_token', actorToken);
      form.set('actor_token_type', accessTokenUrn);
    }
    if (scope?.length) form.set('scope', scope.join(' '));
    return this.#request(form);
  }

  /** All who ask at the same time share one request; a failed one is forgotten. */
  async #keep(name: string, token: Promise<IssuedToken>): Promise<IssuedToken> {
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= keptTokensMax && oldest !== undefined) this.#kept.delete(oldest);
    const kept: KeptToken = { token, renewAtMs: Number.POSITIVE_INFINITY };
    const askedAtMs = this.#runtime.monotonicMs();
    this.#kept.set(name, kept);
    try {
      const issued = await token;
      kept.renewAtMs = askedAtMs + issued.expiresInSeconds * 1000 * (1 - renewAtShareLeft);
      return issued;
    } catch (error) {
      if (this.#kept.get(name) === kept) this.#kept.delete(name);
      throw error;
    }
  }

  async #request(form: URLSearchParams): Promise<IssuedToken> {
    const { issuer, clientId } = this.#options;
    this.#key ??= openSigningKey(this.#options.privateJwk, this.#runtime);
    const key = await this.#key;
    // rfc7523bis: exactly the issuer as the sole audience; iss and sub are the client.
    const claims = { iss: clientId, sub: clientId, aud: issuer };
    form.set('client_id', clientId);
    form.set('client_assertion_type', assertionType);
    form.set('client_assertion', await key.sign(assertionJwtType, claims));
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const url = await this.#findTokenEndpoint();
    const { status, body } = await fetchJson(this.#fetch, url, { method: 'POST', headers, body: form.toString() });
    if (status !== 200) throw refusalOfOAuth(status, body);
    return readIssued(body);
  }

  #findTokenEndpoint(): Promise<string> {
    this.#tokenEndpoint ??= fetchIssuerMetadata(this.#options.issuer, this.#fetch).then(
      ({ tokenEndpoint }) => tokenEndpoint,
      (error: unknown) => {
        this.#tokenEndpoint = undefined;
        throw error;
      },
    );
    return this.#tokenEndpoint;
  }
}

function clientCredentialsForm({ audience, scope, agent }: TokenRequest): URLSearchParams {
  const form = new URLSearchParams({ grant_type: 'client_credentials' });
  if (audience !== undefined) form.set('audience', audience);
  if (scope?.length) form.set('scope', scope.join(' '));
  if (agent !== undefined) form.set('agent', agent);
  return form;
}

/** RFC 6749 §5.1. */
function readIssued(body: unknown): IssuedToken {
  const { access_token, token_type, expires_in, scope } = (body ?? {}) as Record<string, unknown>;
  const bearer = typeof token_type === 'string' && token_type.toLowerCase() === 'bearer';
  if (typeof access_token !== 'string' || !bearer || typeof expires_in !== 'number') {
    throw new Refusal('unavailable', 'token endpoint: the answer is no token');
  }
  return {
    accessToken: access_token,
    expiresInSeconds: expires_in,
    scope: typeof scope === 'string' ? scope : '',
  };
}
