import { type ClientId, newId, type TenantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import { Feed } from '@mono-auth/feed';
import { createLocalKms, openKeyring } from '@mono-auth/keys';
import { systemCaller } from '@mono-auth/tenants';
import type { MintRequest } from '../mint-request.ts';
import { type Minted, type Minter, openMinter } from '../mint-token.ts';

/** What a test hands over. */
export interface BudgetGround {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly kek: Uint8Array;
  readonly tenantId: TenantId;
}

/** One process that mints: its own keyring, minter and blocks of mint budgets. */
export interface BudgetBench {
  readonly minter: Minter;
  readonly call: Call;
  /** Makes the keys and the feed of the tenant. Once for all processes. */
  provision(): Promise<void>;
  /** A token as a grant gets it; `before` runs in the decision ahead of it, `after` behind it. */
  mint(clientId: ClientId, change?: Partial<MintRequest>, around?: Around): Promise<Minted>;
}

interface Around {
  readonly before?: (tx: TenantTx) => Promise<void>;
  readonly after?: (tx: TenantTx) => Promise<void>;
}

const baseUrl = 'https://id.test';

export function openBudgetBench({ database, runtime, kek, tenantId }: BudgetGround): BudgetBench {
  const kms = createLocalKms(kek, runtime);
  const keys = openKeyring({ database, runtime, kms, platformIssuer: baseUrl, rootTenant: async () => tenantId });
  const ephemeral = { publish: async () => {}, subscribe: async () => () => {} };
  const feed = new Feed({ database, ephemeral, keys, runtime });
  const minter = openMinter({ database, runtime, keys, feed, baseUrl });
  const call = { runtime, caller: systemCaller({ id: tenantId, slug: 'home' }, newId(runtime, 'req')) };
  return {
    minter,
    call,
    provision: () =>
      database.forTenant(tenantId, async (tx) => {
        await keys.provision(tx);
        await feed.provision(tx, 1);
      }),
    mint: (clientId, change = {}, { before, after } = {}) =>
      minter.withBudgets(tenantId, (purse) =>
        database.forDecision(tenantId, async (tx) => {
          const context = await minter.begin(tx, purse);
          await before?.(tx);
          const minted = await minter.mint(tx, call, context, {
            subject: `client:${clientId}`,
            clientId,
            audience: 'https://files.test',
            scope: ['files:read'],
            ttlSeconds: 300,
            ...change,
          });
          await after?.(tx);
          return minted;
        }),
      ),
  };
}
