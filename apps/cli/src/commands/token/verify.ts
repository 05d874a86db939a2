import { Refusal } from '@mono-auth/core/errors';
import { createVerifier } from '@mono-auth/sdk';
import type { CliContext } from '../../context.ts';
import { readSecret } from '../../input.ts';
import { type OutputFlags, print, say } from '../../output.ts';

export interface VerifyTokenFlags extends OutputFlags {
  readonly issuer: string;
  readonly aud: string;
  readonly tokenFile: string;
}

export default async function verifyToken(this: CliContext, flags: VerifyTokenFlags): Promise<void> {
  const token = await readSecret(this, flags.tokenFile);
  const { fetch, runtime } = this;
  const verifier = createVerifier({ issuer: flags.issuer, audience: flags.aud, fetch, runtime });
  const claims = await verifier.verify(token).catch((error: unknown) => {
    // Here the token is what is examined, not what lets the caller in.
    const examined = error instanceof Refusal && (error.row.http === 401 || error.row.http === 403);
    throw examined ? new Refusal('verification_failed', error.detail, { cause: error }) : error;
  });
  say(this, 'genuine and not expired; whether it was revoked is not asked here');
  print(this, flags, { verified: true, claims }, [`${claims.sub}  ${claims.jti}  scope: ${claims.scope}`]);
}
