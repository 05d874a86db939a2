import { textOf, utf8 } from '@mono-auth/core/encoding';
import { idFromUuid } from '@mono-auth/core/ids';
import { describe, expect, test } from 'vitest';
import { encodePayload, entryKinds, isEntryKind, type Payloads, parsePayload } from './payload.ts';

const uuid = '01890a5d-ac96-774b-bcce-b302099a8057';
const rev = idFromUuid('rev', uuid);
const samples: { [K in keyof Payloads]: Payloads[K] } = {
  revocation: { v: 1, id: rev, target: { kind: 'host', id: idFromUuid('hst', uuid) }, reason: 'stolen' },
  epoch: { v: 1, epoch: 3 },
  key: { v: 1, kid: 'k-1', state: 'revoked' },
  policy: { v: 1, version: 2, hash: 'sha256:abc' },
  client: { v: 1, id: idFromUuid('cli', uuid), state: 'suspended' },
  registry: { v: 1, id: idFromUuid('srv', uuid), state: 'quarantined' },
};

test('every kind survives its bytes, and its bytes do not depend on the order of members', () => {
  for (const kind of entryKinds) {
    const bytes = encodePayload(kind, samples[kind]);
    expect(parsePayload(kind, bytes)).toEqual(samples[kind]);
    const reversed = Object.fromEntries(Object.entries(samples[kind]).reverse()) as unknown as Payloads[typeof kind];
    expect(textOf(encodePayload(kind, reversed))).toBe(textOf(bytes));
  }
});

test('every kind of target survives, with exactly its handle', () => {
  const targets: Payloads['revocation']['target'][] = [
    { kind: 'token', jti: 'tok_1' },
    { kind: 'session', sid: 'ses_1' },
    { kind: 'host', id: idFromUuid('hst', uuid) },
    { kind: 'agent', id: idFromUuid('agt', uuid) },
    { kind: 'client', id: idFromUuid('cli', uuid) },
    { kind: 'user', id: idFromUuid('usr', uuid) },
    { kind: 'grant', id: idFromUuid('gra', uuid) },
    { kind: 'tenant' },
  ];
  for (const target of targets) {
    const payload = { ...samples.revocation, target };
    expect(parsePayload('revocation', encodePayload('revocation', payload))).toEqual(payload);
  }
});

describe('refused', () => {
  const refused = (kind: keyof Payloads, value: unknown) =>
    expect(() => parsePayload(kind, utf8(JSON.stringify(value)))).toThrow('invalid_request');

  test('a later version, a missing member, one too many', () => {
    for (const kind of entryKinds) {
      refused(kind, { ...samples[kind], v: 2 });
      refused(kind, { ...samples[kind], more: 1 });
      for (const name of Object.keys(samples[kind])) refused(kind, { ...samples[kind], [name]: undefined });
    }
  });

  test.each([
    { kind: 'token' },
    { kind: 'token', jti: '' },
    { kind: 'token', jti: 'a b' },
    { kind: 'token', jti: 'x'.repeat(129) },
    { kind: 'token', jti: 'a', sid: 'b' },
    { kind: 'host', id: idFromUuid('agt', uuid) },
    { kind: 'host', jti: 'a' },
    { kind: 'tenant', id: 'ten' },
    { kind: 'planet', id: 'a' },
    { kind: 'toString', id: 'a' },
    'host',
    null,
  ])('the target %j', (target) => {
    refused('revocation', { ...samples.revocation, target });
  });

  test('members of the wrong form', () => {
    refused('epoch', { v: 1, epoch: -1 });
    refused('epoch', { v: 1, epoch: '3' });
    refused('epoch', { v: 1, epoch: 1.5 });
    refused('key', { v: 1, kid: 'k', state: 'lost' });
    refused('revocation', { ...samples.revocation, reason: 'x'.repeat(501) });
    refused('revocation', { ...samples.revocation, id: 'rev_1' });
  });

  test('what is no JSON object, no UTF-8 or too long', () => {
    for (const value of [[], 1, null, 'epoch']) refused('epoch', value);
    expect(() => parsePayload('epoch', utf8('{'))).toThrow('not JSON');
    expect(() => parsePayload('epoch', Uint8Array.of(0xff))).toThrow('not JSON');
    expect(() => parsePayload('epoch', utf8(`{"v":1,"epoch":1}${' '.repeat(5_000)}`))).toThrow('too long');
  });
});

test('a kind is known by its own name only', () => {
  expect(isEntryKind('epoch')).toBe(true);
  expect(isEntryKind('toString')).toBe(false);
});
