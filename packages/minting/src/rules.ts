import { Refusal } from '@mono-auth/core/errors';
import { isId, type TenantId, type TokenId } from '@mono-auth/core/ids';
import {
  accessTokenTtlSecondsMax,
  actDepthMax,
  ancestorsMax,
  gatewayTokenTtlSeconds,
  grantsMax,
  machineTokenTtlSeconds,
  personTokenTtlSeconds,
} from '@mono-auth/core/limits';
import { type Actor, principalKind } from '@mono-auth/core/principal';
import { type AccessTokenClaims, actorChain } from '@mono-auth/core/token-claims';
import type { MintRequest } from './mint-request.ts';
import { type AccessRequest, productClaims } from './product-access.ts';

/** What a transaction knew of its tenant before it looked at anything else. */
export interface MintingGround {
  readonly issuer: string;
  readonly tenantId: TenantId;
  /** Epoch of the tenant. */
  readonly epoch: number;
  /** Feed sequence that was the head when the transaction began. */
  readonly fs: number;
}

/** Longest audience, characters: a URL as browsers and proxies pass it on. */
const audienceCharsMax = 2048;

/**
 * The claims of a new token: what was asked for, cut down to what every ancestor allows (law 6).
 * @throws Refusal `invalid_request`, `invalid_scope` or `denied`; nothing is repaired in silence but scope and lifetime, which
 * only ever shrink.
 */
export function deriveClaims(
  ground: MintingGround,
  request: AccessRequest,
  jti: TokenId,
  nowSeconds: number,
): AccessTokenClaims {
  const parents = request.parents ?? [];
  requireAudience(request.audience);
  for (const parent of parents) requireParent(ground, parent, nowSeconds);
  requireChain(request);
  requireProvenance(request, parents);
  const exp = expiryOf(request, nowSeconds);
  const scope = intersectScope(request.scope, ...parents.map((parent) => scopeOf(parent.scope)));
  // RFC 6749 §3.3 knows no empty scope; a token that permits nothing would only be evidence of nothing.
  if (scope.length === 0) throw new Refusal('invalid_scope', 'nothing of the requested scope can be granted');
  const sid = sessionOf(request, parents);
  const pjti = ancestorsOf(parents);
  const pcid = ancestorClientsOf(request, parents);
  const grants = grantsOf(request, parents);
  return {
    iss: ground.issuer,
    aud: request.audience,
    sub: request.subject,
    exp,
    iat: nowSeconds,
    jti,
    client_id: request.clientId,
    scope: scope.join(' '),
    tenant_id: ground.tenantId,
    ...(request.tenantRole !== undefined && { tenant_role: request.tenantRole }),
    ...(sid !== undefined && { sid }),
    ...(request.act !== undefined && { act: request.act }),
    ...(request.mayAct !== undefined && { may_act: { sub: request.mayAct } }),
    ...(grants.length > 0 && { grants }),
    ...(pjti.length > 0 && { pjti }),
    ...(pcid.length > 0 && { pcid }),
    ...productClaims(request.productAccess, parents),
    ep: ground.epoch,
    // Whoever was revoked between a parent's minting and now is refused with the parent's own `fs`: a derived token
    // cannot outrun what its parent could not.
    fs: Math.min(ground.fs, ...parents.map((parent) => parent.fs)),
    ...authenticationOf(request),
    ...(request.cnf !== undefined && { cnf: request.cnf }),
    ...(request.decision !== undefined && { did: request.decision.decisionId, pv: request.decision.policyVersion }),
    ...(request.use !== undefined && { use: request.use }),
  };
}

/** Of the request alone: that a person signed in well says nothing of who holds what was made from their token. */
function authenticationOf({ authentication: { acr, authTimeSeconds } = {} }: MintRequest) {
  return { ...(acr !== undefined && { acr }), ...(authTimeSeconds !== undefined && { auth_time: authTimeSeconds }) };
}

/** What is in every list, in the order of the first, without repetitions: scope never widens. */
export function intersectScope(first: readonly string[], ...others: readonly (readonly string[])[]): string[] {
  const sets = others.map((other) => new Set(other));
  return [...new Set(first)].filter((value) => value !== '' && sets.every((set) => set.has(value)));
}

/** Longest lifetime that the token may ask for, seconds. Whatever a machine holds counts as a machine's. */
export function ttlSecondsMax(request: Pick<MintRequest, 'subject' | 'act' | 'use' | 'ttlChosen'>): number {
  if (request.use === 'gateway') return gatewayTokenTtlSeconds;
  if (request.ttlChosen) return accessTokenTtlSecondsMax;
  return principalKind(request.subject) === 'user' && !request.act ? personTokenTtlSeconds : machineTokenTtlSeconds;
}

function expiryOf(request: MintRequest, nowSeconds: number): number {
  const { ttlSeconds, notAfter = Number.POSITIVE_INFINITY, parents = [] } = request;
  if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds <= 0) throw new TypeError(`not a lifetime: ${ttlSeconds}`);
  const lifetime = Math.min(ttlSeconds, ttlSecondsMax(request));
  const exp = Math.min(nowSeconds + lifetime, Math.floor(notAfter), ...parents.map((parent) => parent.exp));
  // Without the forgiven clock skew: a token may be accepted a little late, but it has no descendants then.
  if (exp <= nowSeconds) throw new Refusal('invalid_request', 'what the token would be made from has expired');
  return exp;
}

function requireAudience(audience: string): void {
  if (audience === '' || audience.length > audienceCharsMax) {
    throw new Refusal('invalid_request', `audience: 1 to ${audienceCharsMax} characters`);
  }
}

function requireParent(ground: MintingGround, parent: AccessTokenClaims, nowSeconds: number): void {
  if (parent.iss !== ground.issuer || parent.tenant_id !== ground.tenantId) {
    throw new Refusal('invalid_request', 'a token of another issuer cannot be exchanged here');
  }
  if (parent.use === 'gateway') throw new Refusal('invalid_request', 'a token of the gateway cannot be exchanged');
  if (parent.ep !== ground.epoch) throw new Refusal('invalid_request', 'the token is of an earlier epoch');
  if (parent.exp <= nowSeconds) throw new Refusal('invalid_request', 'the token has expired');
}

/** RFC 8693 §4.1 nests actors without end; ours end at `actDepthMax`, and nobody acts twice in one chain. */
function requireChain(request: MintRequest): void {
  const chain = actorChain(request.act);
  if (chain.length > actDepthMax) {
    throw new Refusal('invalid_request', `the chain of actors would be longer than ${actDepthMax}`);
  }
  if (new Set([request.subject, ...chain]).size !== chain.length + 1) {
    throw new Refusal('invalid_request', 'the chain of actors would name somebody twice');
  }
}

/**
 * Law 6: whoever acted before still stands behind whoever acts now, and nothing is made of a token without naming who makes
 * it, but by an impersonation, which is never made of a token that has an actor or names who may be one.
 */
function requireProvenance({ act, mayAct, impersonation }: MintRequest, parents: readonly AccessTokenClaims[]): void {
  const [subject] = parents;
  if (!subject) {
    if (impersonation) throw new TypeError('nobody is impersonated without their token');
    return;
  }
  if (mayAct !== undefined) throw new TypeError('may_act belongs to a token that nothing was exchanged for');
  if (impersonation) {
    if (act) throw new TypeError('who impersonates does not act beside');
    if (subject.act || subject.may_act || parents.length > 1) {
      throw new Refusal('invalid_request', 'a token that has an actor, or names who may be one, is never impersonated');
    }
    return;
  }
  const chain = actorChain(act);
  const earlier = actorChain(subject.act);
  const continued = earlier.every((sub, i) => chain[chain.length - earlier.length + i] === sub);
  if (chain.length <= earlier.length || !continued) {
    throw new Refusal('invalid_request', 'the chain of actors would not continue that of the subject');
  }
}

/** A token has one session, so that of a parent is the child's: it ends with it. */
function sessionOf({ sessionId }: MintRequest, parents: readonly AccessTokenClaims[]): string | undefined {
  const sessions = new Set([sessionId, ...parents.map(({ sid }) => sid)].filter((sid) => sid !== undefined));
  if (sessions.size > 1) throw new Refusal('invalid_request', 'the token would hang on two sessions');
  return [...sessions][0];
}

/** The clients whose end is the end of an ancestor. */
function ancestorClientsOf(request: MintRequest, parents: readonly AccessTokenClaims[]): string[] {
  const clients = parents.flatMap(({ client_id, pcid = [] }) => [client_id, ...pcid]);
  return unnamedClients(request, clients);
}

/**
 * Each of the clients once, but those that `client_id` or the chain names: they are handles already. A session's own token has
 * no registered client.
 */
export function unnamedClients(
  { clientId, act }: Pick<MintRequest, 'clientId'> & { readonly act?: Actor | undefined },
  clients: readonly string[],
): string[] {
  const named = new Set([clientId, ...actorChain(act).map((sub) => sub.slice(sub.indexOf(':') + 1))]);
  return [...new Set(clients)].filter((client) => isId('cli', client) && !named.has(client));
}

/** Parents first, then what they were made from: the nearest stand in front. */
function ancestorsOf(parents: readonly AccessTokenClaims[]): string[] {
  const ancestors = [...new Set([...parents.map(({ jti }) => jti), ...parents.flatMap(({ pjti }) => pjti ?? [])])];
  if (ancestors.length > ancestorsMax) {
    throw new Refusal('invalid_request', `the token would have more than ${ancestorsMax} ancestors`);
  }
  return ancestors;
}

/** None is left out: the token would outlive what it hangs on. */
function grantsOf({ grants = [] }: MintRequest, parents: readonly AccessTokenClaims[]): string[] {
  const all = [...new Set([...grants, ...parents.flatMap((parent) => parent.grants ?? [])])];
  if (all.length > grantsMax)
    throw new Refusal('denied', `the token would hang on more than ${grantsMax} grants and roles`);
  return all;
}

function scopeOf(scope: string): string[] {
  return scope.split(' ');
}
