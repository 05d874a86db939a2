import { peerJwt, readPublicJwks } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';
import { decodeProtectedHeader, type JWK } from 'jose';
import * as z from 'zod';

const seconds = z.number().nonnegative();
/** What an attestation has to say (draft-ietf-oauth-attestation-based-client-auth-10 §4). Whatever else it says about the instance is for nobody here. */
const statement = z.object({
  iss: z.string().min(1).max(512),
  sub: z.string().min(1).max(512),
  exp: seconds,
  iat: seconds.optional(),
  jti: z.string().min(1).max(128).optional(),
  // RFC 7800 §3.1: one key, and here by its value.
  cnf: z.object({
    jwk: z.record(z.string(), z.unknown()),
    jwe: z.undefined().optional(),
    jku: z.undefined().optional(),
  }),
});

/** What an attester says of an instance of a client, as it was shown: nothing of it is proven. */
export interface ClientAttestation {
  readonly jwt: string;
  readonly kid: string | undefined;
  readonly claims: Readonly<Omit<z.infer<typeof statement>, 'cnf'>>;
  /** The public key of the instance. */
  readonly instanceKey: JWK;
}

/** Reads an attestation without any arithmetic. @throws Refusal `invalid_client_attestation`. */
export function readClientAttestation(jwt: string): ClientAttestation {
  try {
    const read = statement.parse(peerJwt.unverifiedClaims(jwt));
    const { kid } = decodeProtectedHeader(jwt);
    const { cnf, ...claims } = read;
    return { jwt, kid, claims, instanceKey: readInstanceKey(cnf.jwk) };
  } catch (cause) {
    throw invalidAttestation(cause);
  }
}

/** §7.1 item 5: never a private key; and none whose signatures anybody could make. */
function readInstanceKey(jwk: Record<string, unknown>): JWK {
  // It is alone, so it needs no name, which keys of a set must have.
  const { keys } = readPublicJwks({ keys: [{ ...jwk, kid: 'cnf' }] }, 'cnf.jwk');
  const { kid: _, ...key } = keys[0] as JWK;
  return key;
}

/** Every failure, in one wording: nobody learns here whom the tenant trusts, and who its clients are. */
export function invalidAttestation(cause: unknown): Refusal {
  return new Refusal('invalid_client_attestation', 'the client attestation, or its proof, is none that counts here', {
    cause,
  });
}
