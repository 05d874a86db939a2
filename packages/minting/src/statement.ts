import { Refusal } from '@mono-auth/core/errors';
import type { ClientId, DecisionId, SessionId, TokenId } from '@mono-auth/core/ids';
import type { Actor, Principal } from '@mono-auth/core/principal';
import type { AccessTokenClaims } from '@mono-auth/core/token-claims';
import { type MintingGround, unnamedClients } from './rules.ts';

interface StatementBasis {
  /** Of this tenant: who asked for it, for the evidence. */
  readonly clientId: ClientId;
  readonly subject: Principal;
  readonly audience: string;
  readonly scope: readonly string[];
  /** Epoch seconds: the end of what it is made from. */
  readonly notAfter: number;
  readonly decision: { readonly decisionId: DecisionId; readonly policyVersion: number };
}

/** What is said about a person to the authorization server of another domain. */
interface ForeignStatement extends StatementBasis {
  /** What the client is called there. */
  readonly clientThere: string;
  readonly resources: readonly string[];
  /** When the person signed in; undefined where it is not known. */
  readonly authTimeSeconds?: number | undefined;
  readonly jkt?: string | undefined;
}

/** ID-JAG §3: an identity provider's word about a person, for a client at another server. */
export interface IdJagRequest extends ForeignStatement {
  readonly kind: 'id_jag';
}

/** draft-ietf-oauth-identity-chaining-17 §2.3: a grant for another trust domain. */
export interface ChainedGrantRequest extends ForeignStatement {
  readonly kind: 'chained_grant';
}

/** draft-ietf-oauth-transaction-tokens-08: the context of one call, for the services behind its entry. */
export interface TransactionTokenRequest extends StatementBasis, TransactionStart {
  readonly kind: 'transaction_token';
  /** The workload that asked for it (`req_wl`). */
  readonly requester: Principal;
}

/** What a transaction begins with, or has from the token that is replaced. */
export interface TransactionStart extends Pick<StatementBasis, 'subject' | 'scope' | 'notAfter'> {
  /** The same in every token of one transaction. */
  readonly txn: string;
  readonly act?: Actor | undefined;
  readonly rctx?: Readonly<Record<string, unknown>> | undefined;
  readonly tctx?: Readonly<Record<string, unknown>> | undefined;
  /** What it can die by: those of the token that it is made from. */
  readonly handles: TransactionHandles;
}

/** Of the token that a transaction began with; absent for one that a workload began by itself. */
export interface TransactionHandles {
  readonly fs: number;
  readonly sessionId?: SessionId | undefined;
  readonly grants?: readonly string[] | undefined;
  readonly pjti?: readonly string[] | undefined;
  /** That it and its ancestors were issued to. */
  readonly clients?: readonly string[] | undefined;
}

/** Ten of an access token, that token, and the transaction tokens that were replaced since. */
const transactionAncestorsMax = 20;

export type StatementRequest = IdJagRequest | ChainedGrantRequest | TransactionTokenRequest;

/** What is signed besides access and ID tokens, by its kind. Each type is of no other token, so no verifier takes it for one. */
export const statementKinds = {
  // ID-JAG §4.3 shows 300 s; another server redeems it at once.
  id_jag: { typ: 'oauth-id-jag+jwt', ttlSeconds: 300, event: 'token.id_jag_issued' },
  // rfc7523bis names the type.
  chained_grant: { typ: 'authorization-grant+jwt', ttlSeconds: 300, event: 'token.chained_grant_issued' },
  // §2.2: minutes or less; one call is over before.
  transaction_token: { typ: 'txntoken+jwt', ttlSeconds: 60, event: 'token.transaction_issued' },
} as const satisfies Record<StatementRequest['kind'], { typ: string; ttlSeconds: number; event: string }>;

export interface StatementClaims {
  readonly iss: string;
  readonly sub: Principal;
  readonly aud: string;
  readonly exp: number;
  readonly iat: number;
  readonly jti: TokenId;
  readonly scope?: string;
  readonly [claim: string]: unknown;
}

/** @throws Refusal `invalid_request` when what it would be made from has expired. */
export function deriveStatement(
  ground: MintingGround,
  request: StatementRequest,
  jti: TokenId,
  nowSeconds: number,
): StatementClaims {
  const exp = Math.min(nowSeconds + statementKinds[request.kind].ttlSeconds, Math.floor(request.notAfter));
  if (exp <= nowSeconds) throw new Refusal('invalid_request', 'what it would be made from has expired');
  return {
    ...{ iss: ground.issuer, sub: request.subject, aud: request.audience, exp, iat: nowSeconds, jti },
    ...(request.scope.length > 0 && { scope: request.scope.join(' ') }),
    ...(request.kind === 'transaction_token' ? ofTransaction(ground, request) : toAnotherDomain(request)),
  };
}

function toAnotherDomain({ clientThere, resources, authTimeSeconds, jkt }: IdJagRequest | ChainedGrantRequest) {
  return {
    client_id: clientThere,
    ...(resources.length > 0 && { resource: resources.length === 1 ? resources[0] : resources }),
    ...(authTimeSeconds !== undefined && { auth_time: authTimeSeconds }),
    // RFC 9449 §6.1: whoever redeems it proves this key.
    ...(jkt !== undefined && { cnf: { jkt } }),
  };
}

/** With every handle by which it can die (law 7); nothing of the access token itself (§7.2). */
function ofTransaction(ground: MintingGround, request: TransactionTokenRequest) {
  const { txn, requester, clientId, act, rctx, tctx, handles } = request;
  const { sessionId, grants = [], pjti = [] } = handles;
  const pcid = unnamedClients({ clientId, act }, handles.clients ?? []);
  if (pjti.length > transactionAncestorsMax) {
    throw new Refusal('invalid_request', `the token would have more than ${transactionAncestorsMax} ancestors`);
  }
  return {
    ...{ txn, req_wl: requester, client_id: clientId, tenant_id: ground.tenantId, ep: ground.epoch },
    fs: Math.min(ground.fs, handles.fs),
    ...(act && { act }),
    ...(rctx && { rctx }),
    ...(tctx && { tctx }),
    ...(sessionId !== undefined && { sid: sessionId }),
    ...(grants.length > 0 && { grants }),
    ...(pjti.length > 0 && { pjti }),
    ...(pcid.length > 0 && { pcid }),
  };
}

/** What a token can die by, and who holds it: an access token, or a transaction token that is replaced. */
type HandleClaims = Pick<AccessTokenClaims, 'jti' | 'fs' | 'client_id'> & {
  readonly [name in 'sid' | 'grants' | 'pjti' | 'pcid']?: AccessTokenClaims[name] | undefined;
};

/** The handles of a token, for one of a transaction that is made from it. */
export function handlesOf({ jti, fs, sid, grants, pjti, client_id, pcid }: HandleClaims): TransactionHandles {
  return {
    ...{ fs, sessionId: sid as SessionId | undefined, grants },
    ...{ pjti: [jti, ...(pjti ?? [])], clients: [client_id, ...(pcid ?? [])] },
  };
}
