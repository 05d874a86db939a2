import { createHash } from 'node:crypto';
import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import { nowSeconds, type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import { type AccessTokenClaims, accessTokenType } from '@mono-auth/core/token-claims';
import type { RevocationState } from '@mono-auth/feed-engine';
import { errors, type JWK, type JWTPayload, jwtVerify } from 'jose';
import {
  accessTokenAlgorithms,
  checkIssuedAt,
  notAuthentic,
  readClaims,
  splitToken,
  type TokenParts,
} from './access-token.ts';
import { DpopProofs } from './dpop-proofs.ts';
import { KeySet } from './key-set.ts';
import type { Fetch } from './rpc-transport.ts';
import { VerifiedTokens, verifiedTokensDefault } from './verified-tokens.ts';

/** What the verifier asks of a subscriber: `FeedSubscriber` is one. */
export interface RevocationSource {
  /** Whether it may trust what it holds, at this moment. */
  isFresh(): boolean;
  readonly state: RevocationState;
  /** The tenant whose feed it follows; undefined until its first connection. */
  readonly tenantId: TenantId | undefined;
}

export interface VerifierOptions {
  /** Compared exactly with `iss`; the keys come from its discovery document. */
  readonly issuer: string;
  /** The resource that this service is. A token must name it (or one of them) in `aud`. */
  readonly audience: string | readonly string[];
  /** With it, revoked tokens are refused, and every token while the feed is stale. Without it tokens live until `exp`. */
  readonly revocations?: RevocationSource | undefined;
  /** Tokens whose signature is remembered for a minute; 0 remembers none. */
  readonly verifiedTokensMax?: number;
  /**
   * The certificate (DER) whose key the client of this request has proven in its TLS connection: from the server's socket, or
   * from the header of a proxy that takes out whatever its clients write there. Without it, or where it answers nothing,
   * tokens that are bound to a certificate are refused.
   */
  readonly clientCertificate?: (request: Request) => Uint8Array | undefined;
  readonly fetch?: Fetch;
  readonly runtime?: Runtime;
}

export interface Verifier {
  /**
   * The claims of an access token that is good now.
   * @throws Refusal `not_authenticated` (no token of this issuer for this audience, expired, revoked), `denied` (genuine,
   * but without tenant or scope), `feed_stale` (revocations cannot be known), `unavailable` (keys cannot be had).
   */
  verify(token: string): Promise<AccessTokenClaims>;
  /**
   * Checks that whoever sent `request` may use this verified token. A token that is bound to a key needs that key's proof
   * (RFC 9449 §7.1) and is no bearer token (§7.2); one that is not bound proves nothing under the DPoP scheme. One that is
   * bound to a certificate needs a connection of that certificate (RFC 8705 §3), and one that is bound to both needs both.
   * @throws Refusal `not_authenticated`.
   */
  verifyPossession(
    request: Request,
    scheme: 'bearer' | 'dpop',
    token: string,
    claims: AccessTokenClaims,
  ): Promise<void>;
  /** To be asked again once the decision is made: one that took longer than the lease counts no more. */
  assertFresh(): void;
}

/** A verifier of the access tokens of one issuer (RFC 9068 §4), local but for the issuer's keys. */
export function createVerifier(options: VerifierOptions): Verifier {
  const { issuer, revocations, fetch = globalThis.fetch, runtime = systemRuntime } = options;
  const audiences = [options.audience].flat();
  if (audiences.length === 0) throw new Refusal('invalid_request', 'audience: a verifier needs at least one');
  const keys = new KeySet(issuer, fetch, runtime);
  const verified = new VerifiedTokens(options.verifiedTokensMax ?? verifiedTokensDefault);

  const proofs = new DpopProofs(runtime);

  async function authenticate(token: string, parts: TokenParts): Promise<AccessTokenClaims> {
    const known = verified.find(parts, runtime.monotonicMs());
    if (known) {
      if (known.exp + clockSkewSeconds <= nowSeconds(runtime)) throw notAuthentic('it has expired');
      return known;
    }
    const key = await keys.find(parts.header.kid);
    if (!key || (key.alg !== undefined && key.alg !== parts.header.alg)) throw notAuthentic('its kid is not known');
    const payload = await verifySignature(token, key, { issuer, audiences, runtime });
    checkIssuedAt(payload.iat, nowSeconds(runtime));
    const claims = readClaims(payload);
    verified.add(parts, claims, runtime.monotonicMs());
    return claims;
  }

  function assertFresh(): void {
    if (revocations && !revocations.isFresh()) throw new Refusal('feed_stale', 'revocations cannot be known now');
  }

  return {
    assertFresh,
    async verifyPossession(request, scheme, token, { cnf = {} }) {
      const { jkt, 'x5t#S256': thumbprint } = cnf;
      if ((scheme === 'dpop') !== (jkt !== undefined)) throw notAuthentic('its binding and the scheme do not agree');
      // Before the proof, which is used up.
      if (thumbprint !== undefined) requireCertificate(thumbprint, options.clientCertificate?.(request));
      if (jkt !== undefined) await proofs.verify(request, token, jkt);
    },
    async verify(token) {
      const parts = splitToken(token);
      const claims = await authenticate(token, parts);
      // Nobody could show to hold it here.
      if (claims.cnf && claims.cnf.jkt === undefined && !options.clientCertificate) throw certificateMissing();
      if (!revocations) return claims;
      assertFresh();
      if (claims.tenant_id !== revocations.tenantId) throw notAuthentic('it is of another tenant');
      const { revoked } = revocations.state.isRevoked({ ...claims, kid: parts.header.kid });
      if (revoked) throw notAuthentic('it has been revoked');
      assertFresh();
      return claims;
    },
  };
}

/** RFC 8705 §3.1: SHA-256 of the certificate's DER encoding. */
function requireCertificate(thumbprint: string, certificate: Uint8Array | undefined): void {
  const shown = certificate && createHash('sha256').update(certificate).digest('base64url');
  if (shown !== thumbprint) throw certificateMissing();
}

function certificateMissing(): Refusal {
  return notAuthentic('it is bound to a client certificate that was not shown');
}

interface Expectation {
  readonly issuer: string;
  readonly audiences: string[];
  readonly runtime: Runtime;
}

async function verifySignature(token: string, key: JWK, expect: Expectation): Promise<JWTPayload> {
  const { payload } = await jwtVerify(token, key, {
    algorithms: [...accessTokenAlgorithms],
    // RFC 9068 §4: `at+jwt` or `application/at+jwt`, nothing else; so an ID token never passes.
    typ: accessTokenType,
    issuer: expect.issuer,
    audience: expect.audiences,
    clockTolerance: clockSkewSeconds,
    currentDate: new Date(expect.runtime.nowMs()),
    requiredClaims: ['exp', 'iat'],
  }).catch((cause: unknown) => {
    throw notAuthentic(describe(cause), cause);
  });
  return payload;
}

/** Names the check that failed and repeats nothing of the token. */
function describe(cause: unknown): string {
  if (cause instanceof errors.JWTExpired) return 'it has expired';
  if (cause instanceof errors.JWTClaimValidationFailed) return `its ${cause.claim} is not acceptable`;
  if (cause instanceof errors.JWSSignatureVerificationFailed) return 'its signature does not match';
  return 'it cannot be verified';
}
