import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import { newId, type RevocationId, type RotationId, type TenantId } from '@mono-auth/core/ids';
import type { Call, Principal } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { Feed, NewEntry } from '@mono-auth/feed';
import type { KeyAlg, KeyChange, Keyring, RotatedPurpose, StoredPurpose } from '@mono-auth/keys';
import { moveTenantKeys } from './move-keys.ts';
import { insertRotation, selectRotationByIdempotencyKey } from './store.ts';

export interface RotationDeps<Receipt = unknown> {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly keys: Pick<Keyring, 'lockKeys' | 'publishNext' | 'replaceCompromised' | 'moveDue' | 'list' | 'tenantsDue'>;
  readonly feed: Pick<Feed, 'append'>;
  readonly ending: TenantEnding<Receipt>;
}

/** Ends every token and session of the tenant, and says who enforces it: `revocation`'s part, handed over in compose. */
export interface TenantEnding<Receipt> {
  within(tx: TenantTx, call: Call, reason: string, alongside: readonly NewEntry[]): Promise<RevocationId>;
  receipt(
    tenantId: TenantId,
    id: RevocationId,
    wait: { readonly waitMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<Receipt>;
}

export type RotationMode = 'planned' | 'compromised';

export interface RotationInput {
  readonly purpose: StoredPurpose;
  /** Absent: every algorithm in which the tenant has such a key. */
  readonly alg?: KeyAlg | undefined;
  readonly mode: RotationMode;
  readonly reason: string;
  readonly idempotencyKey?: string | undefined;
}

/** A rotation as it was ordered. */
export interface KeyRotation {
  readonly id: RotationId;
  readonly purpose: RotatedPurpose;
  readonly alg?: KeyAlg | undefined;
  readonly mode: RotationMode;
  readonly reason: string;
  readonly keys: readonly KeyChange[];
  /** What ended every token and session, where the rotation did. */
  readonly revocationId?: RevocationId | undefined;
  readonly createdBy: Principal;
  readonly createdAtMs: number;
}

/** Why a purpose cannot be rotated yet: what it would take is not there, and doing half of it would cut people off. */
const notYet: Readonly<Record<Exclude<StoredPurpose, RotatedPurpose>, string>> = {
  feed: 'subscribers hold its certificate from their registration and are not told of another one',
  join: 'join states have no end of their own, so hosts that sleep could not renew',
  log: 'those who verify the log have pinned it',
  root: 'subscribers have pinned it',
};

/**
 * Gives the tenant a new signing key, with the evidence and the feed entries in one transaction. Planned: publishes the
 * next key; the worker moves it on. Compromised: the old keys end at once, and with a token key everything that could
 * have been signed by it.
 * @throws Refusal `unimplemented` for a purpose that is not rotated; `not_found` for an algorithm without a key;
 * `already_exists` while a next key waits; `invalid_request` when the idempotency key was used for another rotation.
 */
export async function rotateSigningKey(deps: RotationDeps, call: Call, input: RotationInput): Promise<KeyRotation> {
  const { purpose } = input;
  if (purpose !== 'token' && purpose !== 'invite') {
    throw new Refusal('unimplemented', `purpose: ${purpose} keys are not rotated yet: ${notYet[purpose]}`);
  }
  return deps.database.forTenant(call.caller.tenantId, async (tx) => {
    await deps.keys.lockKeys(tx);
    const first = input.idempotencyKey && (await selectRotationByIdempotencyKey(tx, input.idempotencyKey));
    if (first) return sameOrder(first, input);
    const { keys, revocationId } =
      input.mode === 'planned'
        ? { keys: await plan(deps, tx, call, purpose, input), revocationId: undefined }
        : await replace(deps, tx, call, purpose, input);
    const rotation: KeyRotation = {
      id: newId(call.runtime, 'rot'),
      ...{ purpose, alg: input.alg, mode: input.mode, reason: input.reason, keys, revocationId },
      createdBy: call.caller.principal,
      createdAtMs: call.runtime.nowMs(),
    };
    await insertRotation(tx, rotation, input.idempotencyKey);
    return rotation;
  });
}

function sameOrder(first: KeyRotation, input: RotationInput): KeyRotation {
  const { purpose, alg, mode, reason } = input;
  if (first.purpose === purpose && first.alg === alg && first.mode === mode && first.reason === reason) return first;
  throw new Refusal('invalid_request', 'idempotency_key: was used for another rotation');
}

async function plan(
  deps: RotationDeps,
  tx: TenantTx,
  call: Call,
  purpose: RotatedPurpose,
  { alg, reason }: RotationInput,
): Promise<KeyChange[]> {
  const changes = await deps.keys.publishNext(tx, purpose, alg);
  for (const change of changes) await recordRotated(tx, call, 'planned', purpose, change, reason);
  if (purpose === 'token') {
    const published = changes.map(({ newKid }) => keyEntry(newKid, 'published'));
    await deps.feed.append(tx, published);
  }
  // A key that nobody has to learn of first signs at once.
  if (changes.some(({ signsAtMs }) => signsAtMs <= call.runtime.nowMs())) await moveTenantKeys(deps, tx, call);
  return changes;
}

async function replace(
  deps: RotationDeps,
  tx: TenantTx,
  call: Call,
  purpose: RotatedPurpose,
  { alg, reason }: RotationInput,
): Promise<{ keys: KeyChange[]; revocationId: RevocationId | undefined }> {
  const keys = await deps.keys.replaceCompromised(tx, purpose, alg);
  for (const change of keys) {
    for (const id of change.oldKids) {
      const detail = { purpose, alg: change.alg, reason };
      await append(tx, call, { type: 'key.revoked', object: { kind: 'key', id }, detail });
    }
    await recordRotated(tx, call, 'compromised', purpose, change, reason);
  }
  // An invite is no token: with its key every unredeemed one ends, and nothing else was signed by it.
  if (purpose !== 'token') return { keys, revocationId: undefined };
  const entries = keys.flatMap(({ newKid, oldKids }) => [
    ...oldKids.map((kid) => keyEntry(kid, 'revoked')),
    keyEntry(newKid, 'active'),
  ]);
  return { keys, revocationId: await deps.ending.within(tx, call, reason, entries) };
}

function keyEntry(kid: string, state: 'published' | 'active' | 'revoked'): NewEntry {
  return { kind: 'key', payload: { v: 1, kid, state } };
}

async function recordRotated(
  tx: TenantTx,
  call: Call,
  mode: RotationMode,
  purpose: RotatedPurpose,
  { alg, newKid, oldKids }: KeyChange,
  reason: string,
): Promise<void> {
  await append(tx, call, {
    type: 'key.rotated',
    object: { kind: 'key', id: newKid },
    detail: { mode, purpose, alg, replaces: oldKids.join(' '), reason },
  });
}
