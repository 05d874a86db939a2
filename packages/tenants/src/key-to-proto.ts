import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { KeyRecord, KeyState, StoredPurpose } from '@mono-auth/keys';
import {
  KeyRotationSchema,
  SigningKeySchema,
  RotationMode as WireMode,
  KeyPurpose as WirePurpose,
  KeyState as WireState,
} from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import type { KeyRotation, RotationMode } from './rotate-signing-key.ts';

const wirePurpose: Record<StoredPurpose, WirePurpose> = {
  token: WirePurpose.TOKEN,
  feed: WirePurpose.FEED,
  invite: WirePurpose.INVITE,
  join: WirePurpose.JOIN,
  log: WirePurpose.LOG,
  root: WirePurpose.ROOT,
};
const wireState: Record<KeyState, WireState> = {
  next: WireState.NEXT,
  active: WireState.ACTIVE,
  retiring: WireState.RETIRING,
  retired: WireState.RETIRED,
  revoked: WireState.REVOKED,
};
const wireMode: Record<RotationMode, WireMode> = {
  planned: WireMode.PLANNED,
  compromised: WireMode.COMPROMISED,
};

/** The contract's validation has let through only what stands there. */
export function purposeOf(wire: WirePurpose): StoredPurpose {
  const found = (Object.keys(wirePurpose) as StoredPurpose[]).find((purpose) => wirePurpose[purpose] === wire);
  if (!found) throw new TypeError(`no purpose of a key: ${wire}`);
  return found;
}

export function modeOf(wire: WireMode): RotationMode {
  return wire === WireMode.COMPROMISED ? 'compromised' : 'planned';
}

const optional = (ms: number | undefined) => (ms === undefined ? undefined : timestampFromMs(ms));

export function rotationToProto({ id, purpose, mode, reason, keys, createdAtMs, createdBy }: KeyRotation) {
  return create(KeyRotationSchema, {
    ...{ id, reason, createdBy },
    purpose: wirePurpose[purpose],
    mode: wireMode[mode],
    createdAt: timestampFromMs(createdAtMs),
    keys: keys.map(({ alg, newKid, oldKids, signsAtMs, oldLeavesAtMs }) => ({
      ...{ alg, newKid, oldKids: [...oldKids] },
      signsAt: timestampFromMs(signsAtMs),
      oldLeavesAt: timestampFromMs(oldLeavesAtMs),
    })),
  });
}

export function keyToProto({ kid, purpose, alg, state, ...times }: KeyRecord) {
  return create(SigningKeySchema, {
    ...{ kid, alg },
    purpose: wirePurpose[purpose],
    state: wireState[state],
    createdAt: timestampFromMs(times.createdAtMs),
    activeAt: optional(times.activeAtMs),
    dueAt: optional(times.dueAtMs),
    endedAt: optional(times.endedAtMs),
  });
}
