import { createHash } from 'node:crypto';
import { Refusal } from '@mono-auth/core/errors';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import { nowSeconds, type Runtime } from '@mono-auth/core/runtime';
import { notAuthentic } from './access-token.ts';
import { type DpopProof, proofAgeSecondsMax, readDpopProof } from './dpop-proof.ts';

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
  async verify(request: Request, token: string, jkt: string | undefined): Promise<void> {
    const proof = await readDpopProof(request.headers.get('dpop') ?? '', {
      method: request.method,
      url: request.url,
      accessToken: token,
      nowMs: this.#runtime.nowMs(),
    }).catch((cause: unknown) => {
      throw notAuthentic(cause instanceof Refusal ? cause.detail : 'its DPoP proof cannot be verified', cause);
    });
    if (proof.jkt !== jkt) throw notAuthentic('its DPoP proof is of another key');
    this.#useUp(proof);
  }

  #useUp({ jti, jkt }: DpopProof): void {
    const now = nowSeconds(this.#runtime);
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
