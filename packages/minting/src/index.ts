export type { Purse } from './budgets/purse.ts';
export type { MintRequest } from './mint-request.ts';
export { type MintContext, type Minted, type Minter, type MinterDeps, openMinter, type Stated } from './mint-token.ts';
export { deriveClaims, intersectScope, type MintingGround } from './rules.ts';
export { handlesOf, statementKinds, type TransactionStart } from './statement.ts';
