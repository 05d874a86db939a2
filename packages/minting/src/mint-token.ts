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
import { withProductAccess } from './product-access.ts';
import { deriveClaims, type MintingGround } from './rules.ts';
import { deriveStatement, type StatementClaims, type StatementRequest, statementKinds } from './statement.ts';

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
  /**
   * Signs what is no access token: an assertion for another domain, or a transaction token. Evidence and key as for `mint`.
   * @throws as `mint`.
   */
  state(tx: TenantTx, call: Call, context: MintContext, request: StatementRequest): Promise<Stated>;
}

export interface Stated {
  readonly token: string;
  readonly claims: StatementClaims;
}

export function openMinter(deps: MinterDeps): Minter {
  const begun = new WeakMap<MintContext, TenantTx>();
  const mintIdToken = async (tx: TenantTx, { keyVersion }: TenantRecord, minted: Minted, request: IdTokenRequest) => {
    const signer = await deps.keys.signer(tx, 'token', idTokenAlg, keyVersion);
    return signJwt(signer, idTokenType, deriveIdClaims(minted, request));
  };
  const groundIn = (tx: TenantTx, context: MintContext): MintingGround => {
    if (begun.get(context) !== tx) throw new TypeError('the minting context is not of this transaction');
    const { fs, tenant } = context;
    return { fs, tenantId: tenant.id, epoch: tenant.epoch, issuer: issuerOf(deps.baseUrl, tenant.slug) };
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
      const ground = groundIn(tx, context);
      const { tenant } = context;
      const jti = newId(call.runtime, 'tok');
      const asked = await withProductAccess(tx, request, call.runtime.nowMs());
      const claims = deriveClaims(ground, asked, jti, nowSeconds(call.runtime));
      await spender.spend(tx, context.purse, { ...request, iat: claims.iat, exp: claims.exp });
      const signer = await deps.keys.signer(tx, 'token', undefined, tenant.keyVersion);
      const token = await signJwt(signer, accessTokenType, claims);
      const idToken = request.idToken && (await mintIdToken(tx, tenant, { token, claims }, request.idToken));
      await recordMinted(tx, call, { jti, claims, kid: signer.kid }, request);
      return { token, claims, ...(idToken !== undefined && { idToken }) };
    },
    async state(tx, call, context, request) {
      const jti = newId(call.runtime, 'tok');
      const claims = deriveStatement(groundIn(tx, context), request, jti, nowSeconds(call.runtime));
      await spender.spend(tx, context.purse, { ...request, iat: claims.iat, exp: claims.exp });
      const signer = await deps.keys.signer(tx, 'token', undefined, context.tenant.keyVersion);
      const token = await signJwt(signer, statementKinds[request.kind].typ, claims);
      await recordStated(tx, call, claims, request);
      return { token, claims };
    },
  };
}

async function recordStated(
  tx: TenantTx,
  call: Call,
  { jti, sub, exp, scope = '' }: StatementClaims,
  { kind, audience, clientId, decision: { decisionId, policyVersion }, ...rest }: StatementRequest,
): Promise<void> {
  await append(tx, call, {
    type: statementKinds[kind].event,
    object: { kind: 'token', id: jti },
    subject: sub,
    tokenId: jti,
    ...{ decisionId, policyVersion },
    // Never the contexts of a transaction: they may hold what is personal (transaction tokens §7.4).
    detail: {
      ...{ audience, scope, exp, client_id: clientId },
      ...('clientThere' in rest
        ? { client_there: rest.clientThere, resources: rest.resources.join(' ') }
        : { txn: rest.txn, requester: rest.requester }),
    },
  });
}

/** What is needed to explain the token by its id alone: every handle of it, and who decided. */
async function recordMinted(
  tx: TenantTx,
  call: Call,
  { jti, claims, kid }: { readonly jti: TokenId; readonly claims: AccessTokenClaims; readonly kid: string },
  { audience, decision, idToken, impersonation }: MintRequest,
): Promise<void> {
  await append(tx, call, {
    type: eventType(claims, impersonation),
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
      ep: claims.ep,
      fs: claims.fs,
      kid,
      ...(claims.sid !== undefined && { sid: claims.sid }),
      ...(decision?.policies && { policies: decision.policies.join(' ') }),
      ...(claims.pcid && { ancestor_clients: claims.pcid.join(' ') }),
      ...(claims.grants && { grants: claims.grants.join(' ') }),
      ...rolesTold(claims),
      ...(claims.may_act && { may_act: claims.may_act.sub }),
      ...(claims.cnf && { jkt: claims.cnf.jkt }),
      ...(idToken && { id_token: true }),
    },
  });
}

/** Roles by product; what they grant stands in the evidence of the product's registration. */
function rolesTold({ roles = {} }: AccessTokenClaims): { roles?: string } {
  const told = Object.entries(roles).map(([product, names]) => `${product}: ${names.join(' ')}`);
  return told.length > 0 ? { roles: told.join('; ') } : {};
}

/** An impersonation is an event of its own: nothing in the token tells it from one that the person was given. */
function eventType({ pjti }: AccessTokenClaims, impersonation: true | undefined): string {
  if (impersonation) return 'token.impersonated';
  return pjti ? 'token.exchanged' : 'token.issued';
}
