import { idFromUuid } from '@mono-auth/core/ids';
import { expect, test } from 'vitest';
import type { MintingGround } from './rules.ts';
import {
  deriveStatement,
  handlesOf,
  type IdJagRequest,
  statementKinds,
  type TransactionTokenRequest,
} from './statement.ts';

const uuid = '01890a5d-ac96-774b-bcce-b302099a8057';
const jti = idFromUuid('tok', uuid);
const appId = idFromUuid('cli', '01890a5d-ac96-774b-bcce-b302099a8058');
const ground: MintingGround = { issuer: 'https://id.example/t/a', tenantId: idFromUuid('ten', uuid), epoch: 3, fs: 40 };
const now = 1_000_000;
const basis = {
  clientId: idFromUuid('cli', uuid),
  subject: `user:${idFromUuid('usr', uuid)}`,
  audience: 'https://as.example',
  scope: ['orders:read'],
  notAfter: now + 10_000,
  decision: { decisionId: idFromUuid('dec', uuid), policyVersion: 1 },
} as const;
const idJag: IdJagRequest = { ...basis, kind: 'id_jag', clientThere: 'there', resources: ['https://orders.example'] };
const transaction: TransactionTokenRequest = {
  ...{ ...basis, kind: 'transaction_token', txn: 'txn-1', requester: `service:${basis.clientId}` },
  handles: { fs: 30, pjti: ['tok_parent'], grants: ['gra_x'], clients: [appId, basis.clientId, 'session'] },
};

test('each kind has a type and an event of its own', () => {
  const kinds = Object.values(statementKinds);
  expect(new Set(kinds.map(({ typ }) => typ)).size).toBe(kinds.length);
  expect(new Set(kinds.map(({ event }) => event)).size).toBe(kinds.length);
});

test('an ID-JAG says what the draft requires, and of a person nothing more', () => {
  expect(deriveStatement(ground, { ...idJag, authTimeSeconds: now - 5, jkt: 'thumb' }, jti, now)).toEqual({
    ...{ iss: ground.issuer, sub: basis.subject, aud: basis.audience, iat: now, exp: now + 300, jti },
    ...{ scope: 'orders:read', client_id: 'there', resource: 'https://orders.example' },
    ...{ auth_time: now - 5, cnf: { jkt: 'thumb' } },
  });
  const bare = deriveStatement(ground, { ...idJag, scope: [], resources: [] }, jti, now);
  for (const name of ['scope', 'resource', 'auth_time', 'cnf']) expect(bare).not.toHaveProperty(name);
  const resources = ['https://a.example', 'https://b.example'];
  expect(deriveStatement(ground, { ...idJag, resources }, jti, now).resource).toEqual(resources);
});

test('nothing outlives what it is made from, and nothing is made from what is over', () => {
  expect(deriveStatement(ground, { ...idJag, notAfter: now + 7.9 }, jti, now).exp).toBe(now + 7);
  expect(() => deriveStatement(ground, { ...idJag, notAfter: now }, jti, now)).toThrow('expired');
});

test('a transaction carries every handle by which it can die, with the older feed position of the two', () => {
  expect(deriveStatement(ground, transaction, jti, now)).toMatchObject({
    ...{ exp: now + 60, txn: 'txn-1', req_wl: transaction.requester, ep: 3, fs: 30 },
    ...{ pjti: ['tok_parent'], grants: ['gra_x'], tenant_id: ground.tenantId },
    // Who asks is in `client_id`; a session's own token has no client that could be revoked.
    pcid: [appId],
  });
  const newer = { ...transaction, handles: { fs: 50 } };
  expect(deriveStatement(ground, newer, jti, now).fs).toBe(40);
});

test('a transaction is replaced until it has too many ancestors', () => {
  const after = (ancestors: number) => ({ ...transaction, handles: { fs: 30, pjti: Array(ancestors).fill('tok_x') } });
  expect(deriveStatement(ground, after(20), jti, now).pjti).toHaveLength(20);
  expect(() => deriveStatement(ground, after(21), jti, now)).toThrow('ancestors');
});

test('what replaces a token of a transaction hangs on it, on its client, and on all that it hung on', () => {
  const replaced = { jti: 'tok_1', fs: 7, client_id: appId, grants: ['gra_x'], pjti: ['tok_0'], pcid: ['cli_0'] };
  expect(handlesOf(replaced)).toEqual({
    ...{ fs: 7, sessionId: undefined, grants: ['gra_x'] },
    ...{ pjti: ['tok_1', 'tok_0'], clients: [appId, 'cli_0'] },
  });
});
