import { newId, type UserId } from '@mono-auth/core/ids';
import { FakeRuntime } from '@mono-auth/testing';
import { describe, expect, test } from 'vitest';
import type { Client } from './client.ts';
import { approved, rejected, resumed, submitted, suspended, updated } from './client-life.ts';
import { newClient } from './create-client.ts';
import { keyedManifest, type Manifest } from './manifest.ts';
import { manifestHash } from './manifest-hash.ts';

const runtime = new FakeRuntime();
const by = `user:${newId(runtime, 'usr') as UserId}` as const;
const manifestOf = (...scopes: string[]) => keyedManifest({ scopes, audiences: [], jwks: { keys: [] } });
const [inForce, wider]: [Manifest, Manifest] = [manifestOf('a'), manifestOf('a', 'b')];
const caller = { principal: by } as never;
const made = newClient(
  { runtime, caller },
  { kind: 'machine', name: 'x', environment: 'production', product: '' },
  inForce,
);

/** Every state that a client can be in. */
const states = {
  draft: { status: 'draft', manifest: undefined, proposed: wider, proposedSubmitted: false },
  submitted: { status: 'submitted', manifest: undefined, proposed: wider, proposedSubmitted: true },
  approved: { status: 'approved' },
  'approved, proposing': { status: 'approved', proposed: wider },
  'approved, submitted': { status: 'approved', proposed: wider, proposedSubmitted: true },
  suspended: { status: 'suspended' },
  'suspended, proposing': { status: 'suspended', proposed: wider },
  'suspended, submitted': { status: 'suspended', proposed: wider, proposedSubmitted: true },
  retired: { status: 'retired' },
} as const satisfies Record<string, Partial<Client>>;
type State = keyof typeof states;

const stateOf = (client: Client): State => {
  const known = (Object.keys(states) as State[]).find((name) => {
    const { manifest, proposed, proposedSubmitted } = { ...made, ...states[name] };
    return (
      states[name].status === client.status &&
      (manifest !== undefined) === (client.manifest !== undefined) &&
      (proposed !== undefined) === (client.proposed !== undefined) &&
      proposedSubmitted === client.proposedSubmitted
    );
  });
  if (!known) throw new Error(`in no known state: ${JSON.stringify(client)}`);
  return known;
};

const actions = {
  submit: (client: Client) => submitted(client, undefined, by),
  approve: (client: Client) => approved(client, manifestHash(wider), by),
  reject: (client: Client) => rejected(client),
  widen: (client: Client) =>
    updated(client, { version: client.version, manifest: manifestOf('a', 'c'), ownerUserId: undefined }),
  narrow: (client: Client) =>
    updated(client, { version: client.version, manifest: manifestOf(), ownerUserId: undefined }),
  suspend: suspended,
  resume: resumed,
};

/** What each action makes of each state: the next one, `same` when it changes nothing, or the reason of its refusal. */
const table: Record<State, Record<keyof typeof actions, State | 'same' | 'stale_version' | 'pending_approval'>> = {
  draft: {
    ...{ submit: 'submitted', approve: 'stale_version', reject: 'same', widen: 'draft', narrow: 'draft' },
    ...{ suspend: 'pending_approval', resume: 'pending_approval' },
  },
  submitted: {
    ...{ submit: 'same', approve: 'approved', reject: 'draft', widen: 'draft', narrow: 'draft' },
    ...{ suspend: 'pending_approval', resume: 'pending_approval' },
  },
  approved: {
    ...{ submit: 'stale_version', approve: 'stale_version', reject: 'stale_version' },
    ...{ widen: 'approved, proposing', narrow: 'approved', suspend: 'suspended', resume: 'same' },
  },
  'approved, proposing': {
    ...{ submit: 'approved, submitted', approve: 'stale_version', reject: 'same' },
    ...{ widen: 'approved, proposing', narrow: 'approved', suspend: 'suspended, proposing', resume: 'same' },
  },
  'approved, submitted': {
    ...{ submit: 'same', approve: 'approved', reject: 'approved, proposing' },
    ...{ widen: 'approved, proposing', narrow: 'approved', suspend: 'suspended, submitted', resume: 'same' },
  },
  suspended: {
    ...{ submit: 'stale_version', approve: 'stale_version', reject: 'stale_version' },
    ...{ widen: 'suspended, proposing', narrow: 'suspended', suspend: 'same', resume: 'approved' },
  },
  'suspended, proposing': {
    ...{ submit: 'suspended, submitted', approve: 'stale_version', reject: 'same' },
    ...{ widen: 'suspended, proposing', narrow: 'suspended', suspend: 'same', resume: 'approved, proposing' },
  },
  'suspended, submitted': {
    ...{ submit: 'same', approve: 'suspended', reject: 'suspended, proposing' },
    ...{ widen: 'suspended, proposing', narrow: 'suspended', suspend: 'same', resume: 'approved, submitted' },
  },
  retired: {
    ...{ submit: 'stale_version', approve: 'stale_version', reject: 'stale_version', widen: 'stale_version' },
    ...{ narrow: 'stale_version', suspend: 'stale_version', resume: 'stale_version' },
  },
};

const rows = (Object.keys(table) as State[]).flatMap((state) =>
  (Object.keys(actions) as (keyof typeof actions)[]).map((action) => [state, action, table[state][action]] as const),
);

describe('the life of a client', () => {
  test.each(rows)('%s: %s leads to %s', (state, action, expected) => {
    const client: Client = { ...made, ...states[state] };
    let after: Client;
    try {
      after = actions[action](client);
    } catch (error) {
      expect((error as { reason: string }).reason).toBe(expected);
      return;
    }
    if (expected === 'same') {
      expect(after).toBe(client);
      return;
    }
    expect(after.version).toBe(client.version + 1);
    expect(stateOf(after)).toBe(expected);
  });
});

test('the approved manifest is the one of the hash, and who asked and who approved stand beside it', () => {
  const asked = submitted({ ...made, ...states.draft }, manifestHash(wider), by);
  const other = `user:${newId(runtime, 'usr') as UserId}` as const;
  expect(() => approved(asked, manifestHash(inForce), other)).toThrow('stale_version');
  const client = approved(asked, manifestHash(wider), other);
  expect(client).toMatchObject({ manifest: wider, scopes: ['a', 'b'], submittedBy: by, approvedBy: other });
  expect(approved(client, manifestHash(wider), by)).toBe(client);
});

test('what narrows holds at once, what widens is proposed, and a change on an old version is refused', () => {
  const before = { ...made, manifest: manifestOf('a', 'b'), scopes: ['a', 'b'] };
  const after = updated(before, { version: 1, manifest: manifestOf('b', 'c'), ownerUserId: undefined });
  expect(after).toMatchObject({ scopes: ['b'], proposed: { scopes: ['b', 'c'] }, status: 'approved', version: 2 });
  expect(after.manifest?.scopes).toEqual(['b']);
  const again = { version: 1, manifest: manifestOf('d'), ownerUserId: undefined };
  expect(() => updated(after, again)).toThrow('stale_version');
});
