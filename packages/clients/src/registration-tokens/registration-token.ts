import type { ClientId, Id, UserId } from '@mono-auth/core/ids';
import type { Environment } from '../manifest.ts';

/** An initial access token (RFC 7591 §3): whoever holds it registers one client, as a draft of its environment. */
export interface RegistrationToken {
  readonly id: Id<'iat'>;
  /** Who it was made for. */
  readonly label: string;
  readonly environment: Environment;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly usedForClientId: ClientId | undefined;
  readonly revoked: boolean;
  /** The person who made it, and answers for the client; undefined where a machine did. */
  readonly ownerUserId: UserId | undefined;
}
