import { expect, test } from 'vitest';
import { asRefusal, notFound, type Reason, Refusal, type RefusalRow, refusals } from './errors.ts';

const rows = Object.entries(refusals) as [Reason, RefusalRow][];
/** https://connectrpc.com/docs/protocol#error-codes, without `canceled` and `unknown`: we always know. */
const connectCodes =
  'invalid_argument deadline_exceeded not_found already_exists permission_denied resource_exhausted failed_precondition aborted out_of_range unimplemented internal unavailable data_loss unauthenticated'.split(
    ' ',
  );

test.each(rows)('%s has a place in every protocol', (reason, row) => {
  expect(reason).toMatch(/^[a-z_]+$/);
  expect(connectCodes).toContain(row.connect);
  expect(row.oauth).toMatch(/^[a-z_]+$/);
  expect(row.http).toBeGreaterThanOrEqual(400);
  expect(row.http).toBeLessThan(600);
  expect(row.exit).toBeGreaterThanOrEqual(1);
  expect(row.exit).toBeLessThanOrEqual(9);
  // A script retries by the exit code, so one that may retry has that code.
  if (row.retry) expect(row.exit).toBe(9);
});

/** What clients, operators and scripts rely on: reason, Connect code, OAuth error, HTTP status, exit code. */
const published: [Reason, string, string, number, number][] = [
  ['invalid_request', 'invalid_argument', 'invalid_request', 400, 2],
  ['not_authenticated', 'unauthenticated', 'invalid_token', 401, 4],
  ['invalid_client', 'unauthenticated', 'invalid_client', 401, 4],
  ['denied', 'permission_denied', 'access_denied', 403, 5],
  ['not_found', 'not_found', 'invalid_request', 404, 3],
  ['invalid_grant', 'failed_precondition', 'invalid_grant', 400, 1],
  ['invalid_target', 'invalid_argument', 'invalid_target', 400, 2],
  ['invite_used', 'failed_precondition', 'invalid_grant', 409, 7],
  ['pending_approval', 'failed_precondition', 'authorization_pending', 409, 6],
  ['budget_exhausted', 'resource_exhausted', 'slow_down', 429, 9],
  ['rate_limited', 'resource_exhausted', 'slow_down', 429, 9],
  ['audit_unavailable', 'unavailable', 'temporarily_unavailable', 503, 9],
  ['feed_stale', 'unavailable', 'temporarily_unavailable', 503, 9],
  ['use_new_nonce', 'aborted', 'use_dpop_nonce', 400, 9],
  ['internal', 'internal', 'server_error', 500, 1],
];

test.each(published)('%s keeps its published row', (reason, connect, oauth, http, exit) => {
  expect(new Refusal(reason, 'why').row).toMatchObject({ connect, oauth, http, exit });
});

test.each([
  ['stale_version', 'aborted', 409, 7],
  ['reset_required', 'out_of_range', 410, 9],
] as const)('%s keeps its published row', (reason, connect, http, exit) => {
  expect(refusals[reason]).toMatchObject({ connect, http, exit });
});

test('what another tenant has and what never was are answered by the same words', () => {
  expect(notFound('host')).toMatchObject({ reason: 'not_found', detail: 'host not found' });
});

test('what is not a refusal becomes internal; its message is the cause, never the detail', () => {
  const cause = new Error('password authentication failed for user "mono_app"');
  expect(asRefusal(cause)).toMatchObject({ reason: 'internal', detail: 'internal error', cause });
  expect(asRefusal('text')).toMatchObject({ reason: 'internal', detail: 'internal error', cause: 'text' });
  const refusal = new Refusal('denied', 'no');
  expect(asRefusal(refusal)).toBe(refusal);
});
