import { notFound } from '@mono-auth/core/errors';
import { idFromUuid, type KeyId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { Json, type PlatformTx, type TenantTx } from '@mono-auth/database';
import type { JWK } from 'jose';
import type { FoundKey, KeyRecord, KeyState } from './key-life.ts';
import type { KeyAlg, StoredPurpose } from './key-pair.ts';

export interface StoredKey {
  readonly kid: KeyId;
  readonly purpose: StoredPurpose;
  readonly alg: KeyAlg;
  readonly publicJwk: JWK;
  readonly wrappedPrivateKey: Uint8Array;
}

interface KeyStage {
  readonly state: KeyState;
  readonly activeAtMs?: number;
  readonly dueAtMs?: number;
  readonly endedAtMs?: number;
}

const at = (ms: number | undefined) => (ms === undefined ? null : new Date(ms));

/** Inserts a key. Nothing happens when it would be the second that signs for its power. */
export async function insertKey(
  tx: TenantTx,
  key: StoredKey,
  { state, createdAtMs, activeAtMs, dueAtMs }: KeyStage & { readonly createdAtMs: number },
): Promise<void> {
  await tx.sql`
    insert into mono.signing_keys (tenant_id, kid, purpose, alg, public_jwk, wrapped_private_key, state, created_at,
      active_at, due_at)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(key.kid)}, ${key.purpose}, ${key.alg}, ${new Json(key.publicJwk)},
      ${key.wrappedPrivateKey}, ${state}, ${new Date(createdAtMs)}, ${at(activeAtMs)}, ${at(dueAtMs)})
    on conflict (tenant_id, purpose, alg) where state = 'active' do nothing`;
}

/** Brings a key to another stage. What the stage does not say stays; only the time of its next move is forgotten. */
export async function updateKeyState(
  tx: TenantTx,
  kid: KeyId,
  { state, activeAtMs, dueAtMs, endedAtMs }: KeyStage,
): Promise<void> {
  await tx.sql`
    update mono.signing_keys set state = ${state}, active_at = coalesce(${at(activeAtMs)}, active_at),
      due_at = ${at(dueAtMs)}, ended_at = ${at(endedAtMs)}
    where tenant_id = ${uuidOf(tx.tenantId)} and kid = ${uuidOf(kid)}`;
}

interface KeyRow {
  kid: string;
  purpose: StoredPurpose;
  alg: KeyAlg;
  state: KeyState;
  created_at: Date;
  active_at: Date | null;
  due_at: Date | null;
  ended_at: Date | null;
}

function keyOf(row: KeyRow): KeyRecord {
  // Keys made before there were times have signed since they were made.
  const activeAt = row.active_at ?? (row.state === 'next' ? undefined : row.created_at);
  return {
    kid: idFromUuid('key', row.kid),
    purpose: row.purpose,
    alg: row.alg,
    state: row.state,
    createdAtMs: row.created_at.getTime(),
    activeAtMs: activeAt?.getTime(),
    dueAtMs: row.due_at?.getTime(),
    endedAtMs: row.ended_at?.getTime(),
  };
}

/** The keys of one power that verify or soon will. */
export async function selectKeysOf(tx: TenantTx, purpose: StoredPurpose, alg: KeyAlg): Promise<KeyRecord[]> {
  const rows = await tx.sql<KeyRow>`
    select kid, purpose, alg, state, created_at, active_at, due_at, ended_at from mono.signing_keys
    where tenant_id = ${uuidOf(tx.tenantId)} and purpose = ${purpose} and alg = ${alg}
      and state in ('next', 'active', 'retiring')
    order by kid desc`;
  return rows.map(keyOf);
}

/** The keys whose time has come, the longest due first. */
export async function selectDueKeys(tx: TenantTx, nowMs: number): Promise<KeyRecord[]> {
  const rows = await tx.sql<KeyRow>`
    select kid, purpose, alg, state, created_at, active_at, due_at, ended_at from mono.signing_keys
    where tenant_id = ${uuidOf(tx.tenantId)} and due_at <= ${new Date(nowMs)}
    order by due_at, kid`;
  return rows.map(keyOf);
}

/** Newest first: kids are made in the order of time. */
export async function selectKeys(
  tx: TenantTx,
  { before, limit }: { readonly before?: KeyId | undefined; readonly limit: number },
): Promise<KeyRecord[]> {
  const after = before ? uuidOf(before) : null;
  const rows = await tx.sql<KeyRow>`
    select kid, purpose, alg, state, created_at, active_at, due_at, ended_at from mono.signing_keys
    where tenant_id = ${uuidOf(tx.tenantId)} and (${after}::uuid is null or kid < ${after})
    order by kid desc limit ${limit}`;
  return rows.map(keyOf);
}

export async function selectKey(tx: TenantTx, kid: KeyId): Promise<FoundKey | undefined> {
  const [row] = await tx.sql<KeyRow & { public_jwk: JWK }>`
    select kid, purpose, alg, state, created_at, active_at, due_at, ended_at, public_jwk from mono.signing_keys
    where tenant_id = ${uuidOf(tx.tenantId)} and kid = ${uuidOf(kid)}`;
  return row && { ...keyOf(row), publicJwk: row.public_jwk };
}

export async function tenantsWithDueKeys(tx: PlatformTx, nowMs: number, limit: number): Promise<TenantId[]> {
  const rows = await tx.sql<{ tenant_id: string }>`
    select distinct tenant_id from mono.signing_keys where due_at <= ${new Date(nowMs)} limit ${limit}`;
  return rows.map((row) => idFromUuid('ten', row.tenant_id));
}

/** The version of the tenant's keys: another one when any of them has changed. */
export function readKeyVersion(tx: TenantTx): Promise<number> {
  return tx.remembered('key version', async () =>
    versionOf(await tx.sql<KeyVersion>`select key_version from mono.tenants where id = ${uuidOf(tx.tenantId)}`),
  );
}

/** The same, and nobody else changes them until this transaction ends. */
export async function lockKeyVersion(tx: TenantTx): Promise<void> {
  versionOf(
    await tx.sql<KeyVersion>`
    select key_version from mono.tenants where id = ${uuidOf(tx.tenantId)} for update`,
  );
}

export async function raiseKeyVersion(tx: TenantTx): Promise<void> {
  versionOf(
    await tx.sql<KeyVersion>`
    update mono.tenants set key_version = key_version + 1 where id = ${uuidOf(tx.tenantId)} returning key_version`,
  );
}

interface KeyVersion {
  key_version: string;
}

function versionOf([row]: KeyVersion[]): number {
  if (!row) throw notFound('tenant');
  return Number(row.key_version);
}

export async function activePowers(tx: TenantTx): Promise<{ purpose: StoredPurpose; alg: KeyAlg }[]> {
  return tx.sql<{ purpose: StoredPurpose; alg: KeyAlg }>`
    select purpose, alg from mono.signing_keys where tenant_id = ${uuidOf(tx.tenantId)} and state = 'active'`;
}

export async function activeKey(tx: TenantTx, purpose: StoredPurpose, alg: KeyAlg): Promise<StoredKey | undefined> {
  const [row] = await tx.sql<{ kid: string; public_jwk: JWK; wrapped_private_key: Uint8Array }>`
    select kid, public_jwk, wrapped_private_key from mono.signing_keys
    where tenant_id = ${uuidOf(tx.tenantId)} and purpose = ${purpose} and alg = ${alg} and state = 'active'`;
  return (
    row && {
      kid: idFromUuid('key', row.kid),
      purpose,
      alg,
      publicJwk: row.public_jwk,
      wrappedPrivateKey: row.wrapped_private_key,
    }
  );
}

/** The public keys to verify with, newest first: those that sign, that are being retired, and that are about to sign. */
export async function verifyingKeys(tx: TenantTx, purpose: StoredPurpose): Promise<JWK[]> {
  const rows = await tx.sql<{ public_jwk: JWK }>`
    select public_jwk from mono.signing_keys
    where tenant_id = ${uuidOf(tx.tenantId)} and purpose = ${purpose} and state in ('next', 'active', 'retiring')
    order by kid desc`;
  return rows.map((row) => row.public_jwk);
}

/** Stores the check value unless there is one, and answers the one that is stored. */
export async function keepCheckValue(tx: PlatformTx, checkValue: string): Promise<string> {
  await tx.sql`insert into mono.kms_check (only_row, check_value) values (true, ${checkValue})
    on conflict (only_row) do nothing`;
  const [row] = await tx.sql<{ check_value: string }>`select check_value from mono.kms_check where only_row`;
  return row?.check_value ?? '';
}
