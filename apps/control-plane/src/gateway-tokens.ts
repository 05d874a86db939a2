import { livingResources } from '@mono-auth/clients';
import { newId, type TenantId } from '@mono-auth/core/ids';
import { machineTokenTtlSeconds } from '@mono-auth/core/limits';
import { issuerOf, rpcAudienceOf } from '@mono-auth/core/tenant-slug';
import type { TenantTx } from '@mono-auth/database';
import type { Purse } from '@mono-auth/minting';
import { systemCaller } from '@mono-auth/tenants';
import type { Parts } from './compose.ts';

/** An access token, asked for anew at every call; `renew` says that the last one was refused. */
export type GatewayTokens = (request?: { readonly renew: boolean }) => Promise<string>;

/** A token is handed out for this long, milliseconds: each costs an entry of evidence, and a call takes a while yet. */
const keptMs = machineTokenTtlSeconds * 1000 * 0.8;

/** Tokens of the gateway's own client in one tenant, for `feed:follow` alone. */
export function gatewayTokens(
  parts: Pick<Parts, 'database' | 'runtime' | 'minter' | 'baseUrl'>,
  tenantId: TenantId,
): GatewayTokens {
  let held: { readonly token: Promise<string>; readonly untilMs: number } | undefined;
  return ({ renew } = { renew: false }) => {
    const nowMs = parts.runtime.monotonicMs();
    if (held && !renew && nowMs < held.untilMs) return held.token;
    const asked = { token: mint(parts, tenantId), untilMs: nowMs + keptMs };
    held = asked;
    asked.token.catch(() => {
      if (held === asked) held = undefined;
    });
    return asked.token;
  };
}

function mint(
  { database, runtime, minter, baseUrl }: Parameters<typeof gatewayTokens>[0],
  tenantId: TenantId,
): Promise<string> {
  const decide = (purse: Purse) => async (tx: TenantTx) => {
    const context = await minter.begin(tx, purse);
    const { slug } = context.tenant;
    const call = { runtime, caller: systemCaller(context.tenant, newId(runtime, 'req')) };
    const client = await livingResources.ensureGatewayClient(tx, call, `${issuerOf(baseUrl, slug)}/gateway`);
    const { token } = await minter.mint(tx, call, context, {
      subject: `service:${client.id}`,
      clientId: client.id,
      audience: rpcAudienceOf(baseUrl, slug),
      scope: client.scopes,
      ttlSeconds: machineTokenTtlSeconds,
    });
    return token;
  };
  return minter.withBudgets(tenantId, (purse) => database.forTenant(tenantId, decide(purse)));
}
