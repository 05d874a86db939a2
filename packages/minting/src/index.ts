export type { MintRequest } from './mint-request.ts';
export { type MintContext, type Minted, type Minter, type MinterDeps, openMinter } from './mint-token.ts';
export { deriveClaims, intersectScope, type MintingGround } from './rules.ts';
