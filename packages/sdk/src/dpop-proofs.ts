import { createHash } from 'node:crypto';
import { jwtSyntax } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { clockSkewSeconds, tokenBytesMax } from '@mono-auth/core/limits';
import { nowSeconds, type Runtime } from '@mono-auth/core/runtime';
import {
  calculateJwkThumbprint,
  EmbeddedJWK,
  type JWK,
  type JWTPayload,
  jwtVerify,
  type ProtectedHeaderParameters,
} from 'jose';
import { accessTokenAlgorithms, notAuthentic } from './access-token.ts';

/** How old a proof may be, seconds (RFC 9449 §11.1 asks for seconds or minutes): one request on a bad line. */
const proofAgeSecondsMax = 60;
/** Proofs remembered until they are too old: 200 a second for the window. More are refused, never forgotten. */
const rememberedMax = 20_000;

/** Proofs that the caller holds the key a token is bound to (RFC 9449 §4.3), each taken once. */
export class DpopProofs {
  readonly #runtime: Runtime;
  readonly #usedUntil = new Map<string, number>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /**
   * Checks the proof that came with `request` for this token and the key `jkt` that it is bound to.
   * @throws Refusal `not_authenticated`; `rate_limited` when more proofs come than can be remembered.
   */
  async verify(request: Request, token: string, jkt: string): Promise<void> {
    const proof = request.headers.get('dpop') ?? '';
    // Two headers reach us joined by a comma, which no proof has (§4.3 item 1).
    if (proof.length > tokenBytesMax || !jwtSyntax.test(proof)) throw notAuthentic('it needs one DPoP proof');
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      algorithms: [...accessTokenAlgorithms],
      typ: 'dpop+jwt',
      currentDate: new Date(this.#runtime.nowMs()),
      clockTolerance: clockSkewSeconds,
    }).catch((cause: unknown) => {
      throw notAuthentic('its DPoP proof cannot be verified', cause);
    });
    if ((await thumbprintOf(protectedHeader)) !== jkt) throw notAuthentic('its DPoP proof is of another key');
    const { origin, pathname } = new URL(request.url);
    if (payload.htm !== request.method || withoutQuery(payload.htu) !== `${origin}${pathname}`) {
      throw notAuthentic('its DPoP proof is for another request');
    }
    if (payload.ath !== createHash('sha256').update(token).digest('base64url')) {
      throw notAuthentic('its DPoP proof is for another token');
    }
    this.#useUp(payload, jkt);
  }

  #useUp({ jti, iat }: JWTPayload, jkt: string): void {
    const now = nowSeconds(this.#runtime);
    if (typeof jti !== 'string' || jti === '' || iat === undefined) throw notAuthentic('its DPoP proof is incomplete');
    if (iat < now - proofAgeSecondsMax || iat > now + clockSkewSeconds) throw notAuthentic('its DPoP proof is too old');
    for (const [name, until] of this.#usedUntil) {
      if (until >= now) break;
      this.#usedUntil.delete(name);
    }
    const name = createHash('sha256').update(`${jkt}\n${jti}`).digest('base64url');
    if (this.#usedUntil.has(name)) throw notAuthentic('its DPoP proof was used before');
    if (this.#usedUntil.size >= rememberedMax) throw new Refusal('rate_limited', 'too many DPoP proofs at once');
    // The same time for all, so that the oldest stand first; it covers every proof that could still pass above.
    this.#usedUntil.set(name, now + proofAgeSecondsMax + clockSkewSeconds);
  }
}

async function thumbprintOf({ jwk }: ProtectedHeaderParameters): Promise<string> {
  return calculateJwkThumbprint(jwk as JWK);
}

/** §4.3 item 9: query and fragment are not compared. */
function withoutQuery(htu: unknown): string | undefined {
  if (typeof htu !== 'string' || !URL.canParse(htu)) return undefined;
  const { origin, pathname } = new URL(htu);
  return `${origin}${pathname}`;
}
