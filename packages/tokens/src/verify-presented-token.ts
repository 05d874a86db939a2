import { jwtSyntax } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { tokenBytesMax } from '@mono-auth/core/limits';
import { readDpopProof } from '@mono-auth/sdk/dpop-proof';
import type { Tenant } from '@mono-auth/tenants';
import type { Possession } from '@mono-auth/transport';
import type { VerifiedClaims } from './access-token.ts';
import type { DpopDeps, VerifierDeps } from './deps.ts';
import { expectationOf } from './dpop/read-proof.ts';
import { verifyAccessToken } from './verify-access-token.ts';

/** RFC 6750 §2.1, RFC 9449 §7.1. The scheme is compared without case (RFC 9110 §11.1); a second, merged header has a comma. */
const syntax = /^(bearer|dpop) +([A-Za-z0-9._~+/-]+=*)$/i;

export interface PresentedToken {
  readonly scheme: 'bearer' | 'dpop';
  readonly token: string;
}

/** @throws Refusal `not_authenticated`. */
export function readPresentedToken(authorization: string | null | undefined): PresentedToken {
  if (authorization === null || authorization === undefined) {
    throw new Refusal('not_authenticated', 'a bearer token is needed');
  }
  const [, scheme, token] = syntax.exec(authorization) ?? [];
  // Law 9: nothing is parsed that has not the one syntax.
  if (token === undefined || token.length > tokenBytesMax || !jwtSyntax.test(token)) {
    throw new Refusal('not_authenticated', 'authorization: one bearer token');
  }
  return { scheme: scheme?.toLowerCase() === 'dpop' ? 'dpop' : 'bearer', token };
}

/**
 * The claims of a token that whoever shows it may use: good now, and held by the key that it is bound to. The audience is
 * the caller's to compare. Not inside a transaction.
 * @throws Refusal `not_authenticated`; `invalid_dpop_proof`; `use_dpop_nonce` with the nonce to use.
 */
export async function verifyPresentedToken(
  deps: VerifierDeps & DpopDeps,
  tenant: Pick<Tenant, 'id' | 'slug'>,
  { scheme, token }: PresentedToken,
  possession: Possession | undefined,
): Promise<VerifiedClaims> {
  const claims = await verifyAccessToken(deps, tenant, token, { holder: 'unknown' });
  const { jkt, 'x5t#S256': thumbprint } = claims.cnf ?? {};
  if (thumbprint !== undefined && thumbprint !== possession?.certificate?.thumbprint) {
    // RFC 8705 §3.
    throw new Refusal('not_authenticated', 'token refused: it is bound to a client certificate that was not shown');
  }
  if (scheme === 'bearer' && jkt !== undefined) {
    // RFC 9449 §7.2: a bound token without the proof of its key is stolen until shown otherwise.
    throw new Refusal('not_authenticated', 'token refused: it is bound to a key and needs the DPoP scheme', {
      dpopNonce: await deps.dpopNonces.current(tenant.id),
    });
  }
  if (scheme === 'dpop') await takeProof(deps, tenant, { jkt, token, possession });
  return claims;
}

/** RFC 9449 §7.1: the proof of this request, for this token, by its key, shown once. */
async function takeProof(
  deps: DpopDeps,
  tenant: Pick<Tenant, 'id'>,
  { jkt, token, possession }: { jkt: string | undefined; token: string; possession: Possession | undefined },
): Promise<void> {
  if (jkt === undefined) throw new Refusal('not_authenticated', 'token refused: it is bound to no key');
  if (possession?.dpop === undefined) throw new Refusal('invalid_dpop_proof', 'a DPoP proof is needed');
  const proof = await readDpopProof(possession.dpop, { ...expectationOf(deps, possession), accessToken: token });
  if (proof.jkt !== jkt) throw new Refusal('invalid_dpop_proof', 'the DPoP proof is of another key than the token');
  // Under the store that issued the nonce: one that was lost, and has forgotten the proofs, asks for a new nonce.
  const answer = await deps.dpopNonces.consumeProof(tenant.id, proof.nonce ?? '', `${proof.jkt}\n${proof.jti}`);
  if (answer === 'refused') throw new Refusal('invalid_dpop_proof', 'the DPoP proof was used before');
  if (answer === 'use_new') {
    throw new Refusal('use_dpop_nonce', 'the DPoP proof needs the nonce that comes with this answer', {
      dpopNonce: await deps.dpopNonces.current(tenant.id),
    });
  }
}
