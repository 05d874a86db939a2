import { append } from '@mono-auth/audit';
import { newId, type TenantId } from '@mono-auth/core/ids';
import { nowSeconds, type Runtime } from '@mono-auth/core/runtime';
import type { Database } from '@mono-auth/database';
import { type Keyring, signJwt } from '@mono-auth/keys';
import { systemCaller, type TenantDirectory } from '@mono-auth/tenants';
import { isLoopback } from '@mono-auth/tenants/base-url';
import { postGuarded } from '@mono-auth/transport/guarded-http';
import { sessionTtlSeconds } from '../session-policy.ts';
import { type Delivery, deleteDelivery, deleteOldSessionClients, selectTenantsDue, takeDueDelivery } from './store.ts';

export interface LogoutDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly keys: Pick<Keyring, 'signer'>;
  readonly tenants: Pick<TenantDirectory, 'byId'>;
  readonly baseUrl: string;
}

/** How long a logout token may travel, seconds (OpenID Connect Back-Channel Logout 1.0 §2.4: two minutes). */
const logoutTokenTtlSeconds = 120;
/** How long a client may take to answer, milliseconds; it is retried. */
const answerMsMax = 5_000;
/** The first pause after an attempt, milliseconds; each later one is four times as long: 15 s, 1, 4, 16 and 64 minutes. */
const firstPauseMs = 15_000;
const attemptsMax = 6;
/** Deliveries of one tenant in one round: a slow client must not hold up the other tenants for longer. */
const deliveriesPerRound = 20;
/** https://openid.net/specs/openid-connect-backchannel-1_0.html §2.4 */
const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout';

/** Tenants with a logout token to send now. */
export function tenantsWithLogouts({
  database,
  runtime,
}: Pick<LogoutDeps, 'database' | 'runtime'>): Promise<TenantId[]> {
  return database.forPlatform('send logout tokens', (tx) => selectTenantsDue(tx, runtime.nowMs()));
}

/** Forgets for which clients sessions were used that have ended of themselves. */
export async function sweepSessionClients({
  database,
  runtime,
}: Pick<LogoutDeps, 'database' | 'runtime'>): Promise<void> {
  const before = runtime.nowMs() - sessionTtlSeconds * 1000;
  await database.forPlatform('sweep sessions of clients', (tx) => deleteOldSessionClients(tx, before));
}

/**
 * Sends the logout tokens of a tenant that are due. Each is taken under a pause before it is sent, so two workers never
 * send the same one, and one whose worker dies comes again.
 * @returns how many attempts were made.
 */
export async function deliverLogouts(deps: LogoutDeps, tenantId: TenantId): Promise<number> {
  for (let sent = 0; sent < deliveriesPerRound; sent++) {
    const nowMs = deps.runtime.nowMs();
    const retryAtMs = (attempt: number) => nowMs + firstPauseMs * 4 ** (attempt - 1);
    const delivery = await deps.database.forTenant(tenantId, (tx) => takeDueDelivery(tx, nowMs, retryAtMs));
    if (!delivery) return sent;
    await deliver(deps, tenantId, delivery);
  }
  return deliveriesPerRound;
}

async function deliver(deps: LogoutDeps, tenantId: TenantId, delivery: Delivery): Promise<void> {
  const tenant = await deps.tenants.byId(tenantId);
  const fault = tenant && (await attempt(deps, tenant, delivery));
  if (fault !== undefined && delivery.attempt < attemptsMax) return;
  await deps.database.forTenant(tenantId, async (tx) => {
    await deleteDelivery(tx, delivery.id);
    if (!tenant) return;
    const caller = systemCaller(tenant, newId(deps.runtime, 'req'));
    await append(
      tx,
      { runtime: deps.runtime, caller },
      {
        type: 'logout.delivered',
        ...(fault !== undefined && { outcome: 'failed', reason: 'unavailable' }),
        object: { kind: 'client', id: delivery.clientId },
        detail: { session_id: delivery.sessionId, attempts: delivery.attempt, ...(fault && { fault }) },
      },
    );
  });
}

/** @returns why it did not arrive; undefined when it did. */
async function attempt(
  deps: LogoutDeps,
  tenant: { readonly id: TenantId; readonly issuer: string },
  { audience, uri, userId, sessionId }: Delivery,
): Promise<string | undefined> {
  if (audience === undefined) return 'the client is approved no more';
  const iat = nowSeconds(deps.runtime);
  // No nonce, so that it never passes for an ID token (§2.4); RS256 as those are.
  const token = await signJwt(await deps.keys.signer(tenant.id, 'token', 'RS256'), 'logout+jwt', {
    ...{ iss: tenant.issuer, aud: audience, iat, exp: iat + logoutTokenTtlSeconds, jti: newId(deps.runtime, 'tok') },
    ...{ sub: `user:${userId}`, sid: sessionId, events: { [logoutEvent]: {} } },
  });
  const allowLoopback = isLoopback(new URL(deps.baseUrl).hostname);
  try {
    const status = await postGuarded(uri, new URLSearchParams({ logout_token: token }), {
      msMax: answerMsMax,
      allowLoopback,
    });
    // §2.8: 200; some frameworks make 204 of an empty answer.
    return status === 200 || status === 204 ? undefined : `answered ${status}`;
  } catch (error) {
    return error instanceof Error ? error.message : 'no answer';
  }
}
