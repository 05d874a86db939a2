import { isId, type TenantId } from '@mono-auth/core/ids';
import { type Signer, signJwt } from '@mono-auth/keys';
import type { JWK } from 'jose';
import type { Host } from './host.ts';

/** `typ` of join states. */
export const joinStateType = 'mono-join+jwt';

/**
 * Claims of a join state: our word on where a host stands. No `exp`: a host that slept for a month renews with it, and
 * what ends it is the generation, which the next renewal advances. It is no bearer credential either; whoever presents
 * it proves the key in `cnf` (RFC 7800 §3.2). The whole key stands there so that a holder of an old generation can be
 * asked for a proof as well: without one, a leaked join state would be enough to get a host quarantined.
 */
export interface JoinStateClaims {
  readonly iss: string;
  readonly aud: string;
  readonly tenant_id: string;
  /** Principal URI of the host. */
  readonly sub: string;
  readonly generation: number;
  readonly incarnation: number;
  readonly cnf: { readonly jwk: JWK };
  readonly iat: number;
}

/**
 * Whether a statement that our key has signed is one: a generation that is no number must not be compared with one, or its
 * host would pass for a clone.
 */
export function isJoinState(claims: Readonly<Record<string, unknown>>): boolean {
  const { sub, generation, incarnation, cnf } = claims;
  const jwk = isObject(cnf) ? cnf.jwk : undefined;
  const namesHost = typeof sub === 'string' && sub.startsWith('host:') && isId('hst', sub.slice('host:'.length));
  return namesHost && isObject(jwk) && [generation, incarnation].every(Number.isSafeInteger);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function signJoinState(
  signer: Signer,
  tenant: { readonly id: TenantId; readonly issuer: string; readonly incarnation: number },
  host: Pick<Host, 'id' | 'generation' | 'publicJwk'>,
  nowMs: number,
): Promise<string> {
  const claims: JoinStateClaims = {
    iss: tenant.issuer,
    aud: tenant.issuer,
    tenant_id: tenant.id,
    sub: `host:${host.id}`,
    generation: host.generation,
    incarnation: tenant.incarnation,
    cnf: { jwk: host.publicJwk },
    iat: Math.floor(nowMs / 1000),
  };
  return signJwt(signer, joinStateType, claims);
}
