import { Refusal } from '@mono-auth/core/errors';
import { type DpopProof, readDpopProof } from '@mono-auth/sdk/dpop-proof';
import type { Possession } from '@mono-auth/transport';
import type { DpopDeps } from '../deps.ts';
import type { FormRequest } from '../grant-session.ts';

/**
 * The proof that came with a request to one of the endpoints; undefined without one. Its nonce is ours and good: whoever
 * made it has talked to us a moment ago, and to this store (RFC 9449 §8). Not inside a transaction; nothing is used up yet.
 * @throws Refusal `invalid_dpop_proof`; `use_dpop_nonce` with the nonce to use.
 */
export async function readProof(
  deps: DpopDeps,
  { tenant, origin: { possession } }: Pick<FormRequest, 'tenant' | 'origin'>,
): Promise<DpopProof | undefined> {
  if (possession?.dpop === undefined) return undefined;
  const proof = await readDpopProof(possession.dpop, expectationOf(deps, possession));
  const { dpopNonces } = deps;
  if (proof.nonce === undefined || !(await dpopNonces.accepts(tenant.id, proof.nonce))) {
    throw new Refusal('use_dpop_nonce', 'the DPoP proof needs the nonce that comes with this answer', {
      dpopNonce: await dpopNonces.current(tenant.id),
    });
  }
  return proof;
}

/** The request as its client saw it: below the base URL, whatever a proxy has made of it. */
export function expectationOf({ baseUrl, runtime }: DpopDeps, { method, path }: Possession) {
  return { method, url: `${baseUrl}${path}`, nowMs: runtime.nowMs() };
}
