import { nextChallenge } from '../attestation/answer-challenge.ts';
import type { AttestationDeps } from '../attestation/read-attestation.ts';
import type { DpopDeps } from '../deps.ts';
import type { FormRequest } from '../grant-session.ts';

/**
 * The headers of RFC 9449 §8.2 and of attestation-based client authentication §6.2: who proves a key hears of the next nonce or
 * challenge in time. Not inside a transaction.
 */
export async function nextNonce(
  deps: Pick<DpopDeps, 'dpopNonces'> & AttestationDeps,
  request: Pick<FormRequest, 'tenant' | 'origin' | 'attestation'>,
): Promise<Record<string, string>> {
  const challenge = request.attestation && (await nextChallenge(deps, request));
  if (request.origin.possession?.dpop === undefined) return challenge ?? {};
  return { ...challenge, 'dpop-nonce': await deps.dpopNonces.current(request.tenant.id) };
}
