import * as deviceAuthorizations from './device-authorizations.ts';
import * as grantRules from './grant.ts';
import * as pushedRequests from './pushed-requests.ts';
import * as refreshTokens from './refresh-tokens.ts';

export { beginGrant } from './begin-grant.ts';
export type { DeviceAuthorization } from './device-authorization.ts';
export { type EndReason, endGrant } from './end-grant.ts';
export type { Grant } from './grant.ts';
export { grantParticipant } from './grant-participant.ts';
export { listGrants } from './list-grants.ts';
export { selectGrant as findGrant } from './store/grants.ts';
export { sweepGrants } from './sweep-grants.ts';
export { deviceAuthorizations, grantRules, pushedRequests, refreshTokens };
