import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { nowSeconds, systemRuntime } from '@mono-auth/core/runtime';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

/** A key that somebody outside has made, and what they sign with it. */
export interface PlainKey {
  readonly publicJwk: JWK;
  readonly jkt: string;
  /** For clients that sign by themselves. */
  readonly privateKey: CryptoKey;
  sign(typ: string, claims: Readonly<Record<string, unknown>>): Promise<string>;
}

export interface PlainAnswer {
  readonly status: number;
  readonly body: JsonObject;
}

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';
/** How long an assertion is good for, seconds. */
const assertionTtlSeconds = 60;

export async function makeKey(): Promise<PlainKey> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(publicKey);
  const jkt = await calculateJwkThumbprint(jwk);
  return {
    jkt,
    privateKey,
    publicJwk: { ...jwk, alg: 'ES256', kid: jkt },
    sign(typ, claims) {
      const iat = nowSeconds(systemRuntime);
      const times = { iat, exp: iat + assertionTtlSeconds, jti: systemRuntime.uuid() };
      return new SignJWT({ ...times, ...claims }).setProtectedHeader({ alg: 'ES256', kid: jkt, typ }).sign(privateKey);
    },
  };
}

/** One RPC as anybody with an HTTP client calls it: Connect's unary JSON protocol. */
export async function postRpc(
  issuer: string,
  method: string,
  message: JsonValue,
  token?: string,
  more: Readonly<Record<string, string>> = {},
): Promise<PlainAnswer> {
  const headers = new Headers({ 'content-type': 'application/json', ...more });
  if (token) headers.set('authorization', `Bearer ${token}`);
  const answer = await fetch(`${issuer}/rpc/${method}`, { method: 'POST', headers, body: JSON.stringify(message) });
  return { status: answer.status, body: (await answer.json()) as JsonObject };
}

/** A registered client that speaks OAuth by plain HTTP: a host, a workload or a service. */
export class PlainClient {
  readonly issuer: string;
  readonly id: string;
  readonly key: PlainKey;

  constructor(issuer: string, id: string, key: PlainKey) {
    this.issuer = issuer;
    this.id = id;
    this.key = key;
  }

  /** RFC 7523 §2.2; `claims` bend it. */
  assertion(claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const statement = { iss: this.id, sub: this.id, aud: this.issuer, ...claims };
    return this.key.sign('client-authentication+jwt', statement);
  }

  /** Posts a form to an endpoint of `issuer` (the own one unless another is named), with a fresh assertion. */
  async post(
    endpoint: 'token' | 'introspect' | 'revoke',
    form: Readonly<Record<string, string>>,
    issuer = this.issuer,
  ): Promise<PlainAnswer> {
    const body = new URLSearchParams({
      client_id: this.id,
      client_assertion_type: assertionType,
      client_assertion: await this.assertion(),
      ...form,
    });
    const answer = await fetch(`${issuer}/oauth2/${endpoint}`, { method: 'POST', body });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? {} : (JSON.parse(text) as JsonObject) };
  }

  clientCredentials(form: Readonly<Record<string, string>> = {}, issuer?: string): Promise<PlainAnswer> {
    return this.post('token', { grant_type: 'client_credentials', ...form }, issuer);
  }

  /** RFC 8693 §2.1. */
  exchange(
    tokens: { readonly subject: string; readonly actor?: string | undefined },
    form: Readonly<Record<string, string>>,
    issuer?: string,
  ): Promise<PlainAnswer> {
    const actor = tokens.actor && { actor_token: tokens.actor, actor_token_type: accessTokenType };
    const subject = { subject_token: tokens.subject, subject_token_type: accessTokenType };
    return this.post('token', { grant_type: exchangeGrant, ...subject, ...actor, ...form }, issuer);
  }

  /** The message of TokenService.Exchange that asks for the same, with a fresh assertion or the one given. */
  async exchangeMessage(
    tokens: { readonly subject: string; readonly actor?: string | undefined },
    audience: string,
    assertion?: string,
  ): Promise<JsonObject> {
    return {
      ...{ subjectToken: tokens.subject, subjectTokenType: accessTokenType, audience: [audience] },
      ...(tokens.actor !== undefined && { actorToken: tokens.actor, actorTokenType: accessTokenType }),
      clientAssertionType: assertionType,
      clientAssertion: assertion ?? (await this.assertion()),
    };
  }

  introspect(token: string, issuer?: string): Promise<PlainAnswer> {
    return this.post('introspect', { token }, issuer);
  }
}

/** @throws Error with the whole answer unless it is a token. */
export function tokenOf({ status, body }: PlainAnswer): string {
  if (status === 200 && typeof body.access_token === 'string') return body.access_token;
  throw new Error(`no token: ${status} ${JSON.stringify(body)}`);
}
