import type { GrantSession } from '../grant-session.ts';
import type { TokenResponse } from './grant.ts';
import { issueChainedGrant } from './issue-chained-grant.ts';
import { issueIdJag } from './issue-id-jag.ts';
import { issueTransactionToken } from './issue-transaction-token.ts';
import { chainedGrantTokenType, idJagTokenType, transactionTokenType } from './token-types.ts';

type Issue = (session: GrantSession) => Promise<TokenResponse>;

const byType: ReadonlyMap<string | undefined, Issue> = new Map([
  [idJagTokenType, issueIdJag],
  [chainedGrantTokenType, issueChainedGrant],
  [transactionTokenType, issueTransactionToken],
]);

/** How what is asked for besides access tokens is issued; undefined where it is none of that, or the tenant has no drafts. */
export function issueOtherType({ form, ceilings }: GrantSession): Issue | undefined {
  return ceilings.idJag ? byType.get(form.get('requested_token_type')) : undefined;
}
