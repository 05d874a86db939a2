import { requireConfidential } from '../confidential-client.ts';
import { issueAccessToken } from './exchange/issue-access-token.ts';
import { readExchange } from './exchange/read-exchange.ts';
import { verifyParties } from './exchange/verify-parties.ts';
import type { Grant } from './grant.ts';
import { issueOtherType } from './issue-other-type.ts';

/** RFC 8693: a token of somebody becomes one that carries, besides them, everybody who acts for them. */
export const tokenExchange: Grant = {
  grantType: 'urn:ietf:params:oauth:grant-type:token-exchange',
  async handle(session) {
    const issueOther = issueOtherType(session);
    if (issueOther) return issueOther(session);
    requireConfidential(session.client);
    const request = readExchange(session.form);
    const parties = await verifyParties(session, request);
    return issueAccessToken(session, request, parties);
  },
};
