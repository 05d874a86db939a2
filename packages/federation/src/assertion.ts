import type { JWTPayload } from 'jose';
import * as z from 'zod';
import type { TrustedIssuer } from './trusted-issuer.ts';

/** ID-JAG §3: explicitly typed, so that it is nothing else and nothing else is one. */
export const idJagType = 'oauth-id-jag+jwt';
/** rfc7523bis: what an authorization grant is called; platforms that issue workload identities say `JWT` or nothing. */
export const plainGrantTypes: readonly (string | undefined)[] = ['authorization-grant+jwt', 'JWT', undefined];

/** Longest list of `resource` or `amr`. */
const itemsMax = 16;
const text = z.string().min(1).max(255);
const seconds = z.int().nonnegative();
const uri = z.string().min(1).max(512);

/** What an assertion may say, as far as it is looked at. What would narrow it and is not understood is refused, never ignored. */
const claims = z.object({
  sub: text,
  jti: text,
  exp: seconds,
  iat: seconds.optional(),
  client_id: z.string().min(1).max(512).optional(),
  resource: z.union([uri.transform((one) => [one]), z.array(uri).min(1).max(itemsMax)]).optional(),
  scope: z.string().optional(),
  tenant: text.optional(),
  auth_time: seconds.optional(),
  acr: text.optional(),
  cnf: z.strictObject({ jkt: text }).optional(),
  /** RFC 8693 §4.1, §4.4: others act, and no link says who they are here. */
  act: z.undefined().optional(),
  may_act: z.undefined().optional(),
  /** RFC 9396 §5: of no type that is known here. */
  authorization_details: z.undefined().optional(),
});

export type AssertionClaims = z.infer<typeof claims>;

/** An assertion whose signature, time and audience hold. What it may be used for is for its reader to judge. */
export interface Assertion {
  readonly issuer: TrustedIssuer;
  readonly isIdJag: boolean;
  readonly claims: AssertionClaims;
}

/** @returns the claims; else the name of the one that is missing, malformed or not understood. */
export function readClaims(payload: JWTPayload): AssertionClaims | { readonly fault: string } {
  const read = claims.safeParse(payload);
  return read.success ? read.data : { fault: String(read.error.issues[0]?.path[0] ?? 'claims') };
}
