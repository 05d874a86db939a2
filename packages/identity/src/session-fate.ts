import type { SessionId, UserId } from '@mono-auth/core/ids';
import type { Tenant } from '@mono-auth/tenants';
import type { IdentityContext } from './context.ts';
import { fateOf, sessionOf } from './read-session.ts';
import { selectSession } from './store.ts';

export type SessionFate =
  | { readonly lives: false }
  | { readonly lives: true; readonly userId: UserId; readonly authTimeMs: number; readonly expiresAtMs: number };

/** The fate of a session that is known by its id alone: row, time, epoch, feed, and whether its user is banned. */
export async function sessionFate(context: IdentityContext, tenant: Tenant, id: SessionId): Promise<SessionFate> {
  const stored = await selectSession(context.auths.of(tenant).pool, id);
  if (!stored || stored.banned) return { lives: false };
  const session = sessionOf(id, stored);
  if ((await fateOf(context, tenant, session)) !== 'live') return { lives: false };
  const { userId, createdAtMs, expiresAtMs } = session;
  return { lives: true, userId, authTimeMs: createdAtMs, expiresAtMs };
}
