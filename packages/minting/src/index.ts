export type { Purse } from './budgets/purse.ts';
export type { MintRequest } from './mint-request.ts';
export { type MintContext, type Minted, type Minter, type MinterDeps, openMinter } from './mint-token.ts';
export { intersectScope } from './rules.ts';
