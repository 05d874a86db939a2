import { Refusal } from '@mono-auth/core/errors';
import type { KeyId, TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { JWK } from 'jose';
import { defaultKeyLife, type KeyLifePolicy, type RotatedPurpose, rotatedPurposes } from './key-life-policy.ts';
import type { KeyAlg, StoredPurpose } from './key-pair.ts';
import {
  activePowers,
  insertKey,
  lockKeyVersion,
  raiseKeyVersion,
  type StoredKey,
  selectDueKeys,
  selectKey,
  selectKeys,
  selectKeysOf,
  tenantsWithDueKeys,
  updateKeyState,
} from './store.ts';

export type KeyState = 'next' | 'active' | 'retiring' | 'retired' | 'revoked';

/** A key as its row has it, without the key. */
export interface KeyRecord {
  readonly kid: KeyId;
  readonly purpose: StoredPurpose;
  readonly alg: KeyAlg;
  readonly state: KeyState;
  readonly createdAtMs: number;
  readonly activeAtMs?: number | undefined;
  /** When it is moved on: a next key begins to sign, a retiring one leaves. */
  readonly dueAtMs?: number | undefined;
  readonly endedAtMs?: number | undefined;
}

/** A key's row with what verifies by it. */
export interface FoundKey extends KeyRecord {
  readonly publicJwk: JWK;
}

/** A new key in the place of others of its purpose and algorithm. */
export interface KeyChange {
  readonly alg: KeyAlg;
  readonly newKid: KeyId;
  readonly oldKids: readonly KeyId[];
  /** When the new one signs, and the old ones no longer verify; planned: not before. */
  readonly signsAtMs: number;
  readonly oldLeavesAtMs: number;
}

/** A stage that a key has come to by itself. */
export interface KeyMove {
  readonly kid: KeyId;
  readonly purpose: RotatedPurpose;
  readonly alg: KeyAlg;
  readonly to: 'active' | 'retired';
}

/**
 * The stages of signing keys: next, active, retiring, retired; or revoked. Every method but the last three locks the
 * tenant's row until the transaction ends, so that changes of one tenant's keys wait for each other.
 */
export interface KeyLife {
  /** Waits for other changes of this tenant's keys. For who has to look before it changes. */
  lockKeys(tx: TenantTx): Promise<void>;
  /** Publishes a next key for each algorithm. @throws Refusal `not_found` where there is none to follow; `already_exists` while one waits. */
  publishNext(tx: TenantTx, purpose: RotatedPurpose, alg?: KeyAlg): Promise<KeyChange[]>;
  /** Revokes every key that verifies, or soon would, and puts a new one in its place at once. @throws Refusal `not_found`. */
  replaceCompromised(tx: TenantTx, purpose: RotatedPurpose, alg?: KeyAlg): Promise<KeyChange[]>;
  /** Moves on what is due. Bears to be run twice, and by two at once. */
  moveDue(tx: TenantTx): Promise<KeyMove[]>;
  /** Newest first, after `before`. */
  list(tx: TenantTx, page: { before?: KeyId | undefined; limit: number }): Promise<KeyRecord[]>;
  /** One key, whatever has become of it: who verifies by it looks at its state. */
  findKey(tx: TenantTx, kid: KeyId): Promise<FoundKey | undefined>;
  /** Tenants that have something to move on; their ids and nothing else. */
  tenantsDue(): Promise<TenantId[]>;
}

interface KeyLifeDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly policy?: KeyLifePolicy | undefined;
  makeKey(tenantId: TenantId, purpose: StoredPurpose, alg: KeyAlg): Promise<StoredKey>;
  /** Told after the commit of each change. */
  onChange(tenantId: TenantId): unknown;
}

/** Tenants named at once; the worker asks again. */
const tenantsMax = 1_000;

/** What each change needs; the policy is there. */
type Changing = Pick<KeyLifeDeps, 'runtime' | 'makeKey'> & { readonly policy: KeyLifePolicy };
type Change = (deps: Changing, tx: TenantTx, purpose: RotatedPurpose, alg: KeyAlg) => Promise<KeyChange>;

export function openKeyLife({ database, onChange, policy = defaultKeyLife, ...rest }: KeyLifeDeps): KeyLife {
  const deps: Changing = { ...rest, policy };
  const nowMs = () => deps.runtime.nowMs();

  const raise = async (tx: TenantTx): Promise<void> => {
    await raiseKeyVersion(tx);
    tx.afterCommit(() => {
      onChange(tx.tenantId);
    });
  };

  const changing =
    (change: Change): KeyLife['publishNext'] =>
    async (tx, purpose, alg) => {
      await raise(tx);
      const changes: KeyChange[] = [];
      for (const each of await algsOf(tx, purpose, alg)) changes.push(await change(deps, tx, purpose, each));
      return changes;
    };

  return {
    lockKeys: lockKeyVersion,
    publishNext: changing(publish),
    replaceCompromised: changing(replace),
    async moveDue(tx) {
      await lockKeyVersion(tx);
      const moves: KeyMove[] = [];
      for (const key of await selectDueKeys(tx, nowMs())) moves.push(...(await moveOne(deps, tx, key)));
      if (moves.length > 0) await raise(tx);
      return moves;
    },
    list: selectKeys,
    findKey: selectKey,
    tenantsDue: () => database.forPlatform('move signing keys on', (tx) => tenantsWithDueKeys(tx, nowMs(), tenantsMax)),
  };
}

async function algsOf(tx: TenantTx, purpose: RotatedPurpose, alg?: KeyAlg): Promise<KeyAlg[]> {
  const algs = (await activePowers(tx)).filter((power) => power.purpose === purpose).map((power) => power.alg);
  const wanted = alg === undefined ? algs.sort() : algs.filter((each) => each === alg);
  if (wanted.length === 0) {
    throw new Refusal('not_found', `alg: the tenant has no ${purpose} key${alg ? ` of ${alg}; it has ${algs}` : ''}`);
  }
  return wanted;
}

const publish: Change = async ({ runtime, policy, makeKey }, tx, purpose, alg) => {
  const there = await selectKeysOf(tx, purpose, alg);
  const waiting = there.find(({ state }) => state === 'next');
  if (waiting) {
    const at = new Date(waiting.dueAtMs ?? 0).toISOString();
    throw new Refusal('already_exists', `alg: ${waiting.kid} is published as the next ${alg} key and signs from ${at}`);
  }
  const nowMs = runtime.nowMs();
  const signsAtMs = nowMs + policy.publishedMs[purpose];
  const key = await makeKey(tx.tenantId, purpose, alg);
  await insertKey(tx, key, { state: 'next', createdAtMs: nowMs, dueAtMs: signsAtMs });
  const oldKids = there.filter(({ state }) => state === 'active').map(({ kid }) => kid);
  return { alg, newKid: key.kid, oldKids, signsAtMs, oldLeavesAtMs: signsAtMs + policy.retiringMs[purpose] };
};

const replace: Change = async ({ runtime, makeKey }, tx, purpose, alg) => {
  const nowMs = runtime.nowMs();
  const oldKids: KeyId[] = [];
  for (const { kid } of await selectKeysOf(tx, purpose, alg)) {
    await updateKeyState(tx, kid, { state: 'revoked', endedAtMs: nowMs });
    oldKids.push(kid);
  }
  const key = await makeKey(tx.tenantId, purpose, alg);
  await insertKey(tx, key, { state: 'active', createdAtMs: nowMs, activeAtMs: nowMs });
  return { alg, newKid: key.kid, oldKids, signsAtMs: nowMs, oldLeavesAtMs: nowMs };
};

async function moveOne(
  { runtime, policy }: Changing,
  tx: TenantTx,
  { kid, purpose, alg, state }: KeyRecord,
): Promise<KeyMove[]> {
  if (!isRotated(purpose)) return [];
  const nowMs = runtime.nowMs();
  if (state === 'retiring') {
    await updateKeyState(tx, kid, { state: 'retired', endedAtMs: nowMs });
    return [{ kid, purpose, alg, to: 'retired' }];
  }
  const dueAtMs = nowMs + policy.retiringMs[purpose];
  // The old one first: one key signs for a power at a time.
  for (const old of await selectKeysOf(tx, purpose, alg)) {
    if (old.state === 'active') await updateKeyState(tx, old.kid, { state: 'retiring', dueAtMs });
  }
  await updateKeyState(tx, kid, { state: 'active', activeAtMs: nowMs });
  return [{ kid, purpose, alg, to: 'active' }];
}

export function isRotated(purpose: StoredPurpose): purpose is RotatedPurpose {
  return (rotatedPurposes as readonly StoredPurpose[]).includes(purpose);
}
