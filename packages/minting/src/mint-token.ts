import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import { newId, type TenantId, type TokenId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { nowSeconds, type Runtime } from '@mono-auth/core/runtime';
import { issuerOf } from '@mono-auth/core/tenant-slug';
import { type AccessTokenClaims, accessTokenType, actorChain } from '@mono-auth/core/token-claims';
import type { Database, TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import { type Keyring, signJwt } from '@mono-auth/keys';
import { readTenant, type TenantRecord } from '@mono-auth/tenants';
import { BudgetSpender } from './budgets/budget-spender.ts';
import type { Purse } from './budgets/purse.ts';
import { deriveIdClaims, idTokenAlg, idTokenType } from './id-token.ts';
import type { IdTokenRequest, MintRequest } from './mint-request.ts';
import { deriveClaims } from './rules.ts';

export interface MinterDeps {
  readonly keys: Pick<Keyring, 'signer'>;
  readonly feed: Pick<Feed, 'headSeq'>;
  readonly baseUrl: string;
  readonly database: Pick<Database, 'forTenant'>;
  readonly runtime: Runtime;
}

/** What a transaction knew before it read the status of anything. Made by `begin`, good for that transaction alone. */
export interface MintContext {
  /** The feed's head: every revocation up to it is visible to the status reads that follow. */
  readonly fs: number;
  readonly tenant: TenantRecord;
  /** What mint budgets are spent from; absent where nobody who has one gets tokens. */
  readonly purse: Purse | undefined;
}

export interface Minted {
  readonly token: string;
  readonly claims: AccessTokenClaims;
  /** Where the request asks for one. */
  readonly idToken?: string;
}

/** The one minter: every access token of every kind passes here (key, epoch, suspension, lineage, evidence). */
export interface Minter {
  /**
   * Runs the decisions of one request whose tokens count against mint budgets; `purse` goes to `begin`. Where a block of a
   * budget has to be reserved, the decision is given up and made again: `work` has no effects but through its transaction.
   * Not inside a transaction.
   */
  withBudgets<T>(tenantId: TenantId, work: (purse: Purse) => Promise<T>): Promise<T>;
  /**
   * The first thing a minting transaction does. Taking `fs` before any status makes the token's claim to have seen the
   * feed true: a revocation that commits later has a greater sequence and cuts the token off.
   * @throws Refusal `denied` when the tenant is not active.
   */
  begin(tx: TenantTx, purse?: Purse): Promise<MintContext>;
  /**
   * Signs a token and writes its evidence in the same transaction: no commit, no token (law 3).
   * @throws Refusal of the rules in `rules.ts`; `budget_exhausted`; `audit_unavailable`. TypeError when `context` is of another transaction.
   */
  mint(tx: TenantTx, call: Call, context: MintContext, request: MintRequest): Promise<Minted>;
}

export function openMinter(deps: MinterDeps): Minter {
  const begun = new WeakMap<MintContext, TenantTx>();
  const mintIdToken = async (tx: TenantTx, { keyVersion }: TenantRecord, minted: Minted, request: IdTokenRequest) => {
    const signer = await deps.keys.signer(tx, 'token', idTokenAlg, keyVersion);
    return signJwt(signer, idTokenType, deriveIdClaims(minted, request));
  };
  const spender = new BudgetSpender(deps);
  return {
    withBudgets: (tenantId, work) => spender.within(tenantId, work),
    async begin(tx, purse) {
      purse?.begin();
      const fs = await deps.feed.headSeq(tx);
      const tenant = await readTenant(tx);
      if (tenant.status !== 'active') throw new Refusal('denied', 'the tenant is not active');
      const context = { fs, tenant, purse };
      begun.set(context, tx);
      return context;
    },
    async mint(tx, call, context, request) {
      if (begun.get(context) !== tx) throw new TypeError('the minting context is not of this transaction');
      const { fs, tenant } = context;
      const ground = { fs, tenantId: tenant.id, epoch: tenant.epoch, issuer: issuerOf(deps.baseUrl, tenant.slug) };
      const jti = newId(call.runtime, 'tok');
      const claims = deriveClaims(ground, request, jti, nowSeconds(call.runtime));
      await spender.spend(tx, context.purse, { ...request, iat: claims.iat, exp: claims.exp });
      const signer = await deps.keys.signer(tx, 'token', undefined, tenant.keyVersion);
      const token = await signJwt(signer, accessTokenType, claims);
      const idToken = request.idToken && (await mintIdToken(tx, tenant, { token, claims }, request.idToken));
      await recordMinted(tx, call, jti, claims, request);
      return { token, claims, ...(idToken !== undefined && { idToken }) };
    },
  };
}

async function recordMinted(
  tx: TenantTx,
  call: Call,
  jti: TokenId,
  claims: AccessTokenClaims,
  { audience, decision, idToken }: MintRequest,
): Promise<void> {
  await append(tx, call, {
    type: claims.pjti ? 'token.exchanged' : 'token.issued',
    object: { kind: 'token', id: jti },
    subject: claims.sub,
    tokenId: jti,
    ...(decision && { decisionId: decision.decisionId, policyVersion: decision.policyVersion }),
    detail: {
      audience,
      scope: claims.scope,
      actors: actorChain(claims.act).join(' '),
      ancestors: (claims.pjti ?? []).join(' '),
      client_id: claims.client_id,
      exp: claims.exp,
      fs: claims.fs,
      ...(claims.grants && { grants: claims.grants.join(' ') }),
      ...(claims.cnf && { jkt: claims.cnf.jkt }),
      ...(idToken && { id_token: true }),
    },
  });
}
