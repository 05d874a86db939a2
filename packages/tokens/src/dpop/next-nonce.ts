import type { DpopDeps } from '../deps.ts';
import type { FormRequest } from '../grant-session.ts';

/** The header of RFC 9449 §8.2: who proves a key hears of the next nonce in time. Not inside a transaction. */
export async function nextNonce(
  { dpopNonces }: Pick<DpopDeps, 'dpopNonces'>,
  { tenant, origin }: Pick<FormRequest, 'tenant' | 'origin'>,
): Promise<Record<string, string>> {
  if (origin.possession?.dpop === undefined) return {};
  return { 'dpop-nonce': await dpopNonces.current(tenant.id) };
}
