import { createHash } from 'node:crypto';
import { utf8 } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import type { TenantTx } from '@mono-auth/database';
import type { Assertion } from './assertion.ts';

/**
 * Takes an assertion of a one-time issuer once, with whatever is decided for it (RFC 7523 §3 item 7). Of the others a client
 * may show one again until it expires (ID-JAG §4.4.2).
 * @throws Refusal `invalid_grant`, from here or at the end of the decision.
 */
export async function useUpAssertion(tx: TenantTx, { issuer, claims }: Assertion): Promise<void> {
  if (!issuer.oneTime) return;
  // By issuer and jti, never by the assertion's text (law 9).
  const digest = createHash('sha256')
    .update(utf8(`${issuer.id}\n${claims.jti}`))
    .digest();
  const refusal = new Refusal('invalid_grant', 'assertion: was used before');
  await tx.consumeOnce({
    kind: 'grant_assertion',
    digest,
    expiresAtMs: (claims.exp + clockSkewSeconds) * 1000,
    refusal,
  });
}
