import { type ClientId, type GrantId, idFromUuid, type SessionId, type UserId } from '@mono-auth/core/ids';
import type { RevocableClaims } from '@mono-auth/feed-engine';

/** What a person allowed a client, from one code or device code on. */
export interface Grant {
  readonly id: GrantId;
  readonly clientId: ClientId;
  readonly userId: UserId;
  /** The session that it ends with; undefined where it outlives the session (`offline_access`). */
  readonly sessionId: SessionId | undefined;
  readonly scopes: readonly string[];
  /** Resource identifiers that tokens may be made for (RFC 8707); empty: those of the client. */
  readonly resources: readonly string[];
  /** When the person had signed in (OpenID Connect Core §2, `auth_time`). */
  readonly authTimeMs: number;
  /** Thumbprint of the key that its refresh tokens are bound to (RFC 9449 §5). */
  readonly dpopJkt: string | undefined;
  /** The trust in whoever vouched for the client's instance when it began; undefined where nobody had to. */
  readonly attesterId?: GrantId | undefined;
  /** Epoch of the tenant and head of its feed when it began. */
  readonly epoch: number;
  readonly feedSeq: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly endedAtMs: number | undefined;
}

/** A grant as the feed judges it: everything that may have been taken away since it began. */
export function handlesOf(grant: Grant): RevocableClaims {
  const { id, userId, clientId, sessionId, epoch, feedSeq } = grant;
  return {
    ...{ jti: id, sub: `user:${userId}`, client_id: clientId, sid: sessionId, grants: grantsOf(grant) },
    ...{ ep: epoch, fs: feedSeq },
  };
}

/** What its tokens carry in `grants`: they die with it, and with the trust that it began by. */
export function grantsOf({ id, attesterId }: Pick<Grant, 'id' | 'attesterId'>): GrantId[] {
  return attesterId === undefined ? [id] : [id, attesterId];
}

/**
 * The id of the grant that a single-use code makes: the first 128 bits of the code's SHA-256, shaped as a UUID of version 8
 * (RFC 9562 §5.8). So a code that is shown again finds its family, also when nothing else of it is left.
 */
export function grantIdOf(codeDigest: Uint8Array): GrantId {
  const bytes = Buffer.from(codeDigest.subarray(0, 16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const digits = bytes.toString('hex');
  const groups = [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20),
  ];
  return idFromUuid('gra', groups.join('-'));
}
