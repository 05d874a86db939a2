import { idFromUuid, type KeyId, uuidOf } from '@mono-auth/core/ids';
import { Json, type PlatformTx, type TenantTx } from '@mono-auth/database';
import type { JWK } from 'jose';
import type { KeyAlg, StoredPurpose } from './key-pair.ts';

export interface StoredKey {
  readonly kid: KeyId;
  readonly purpose: StoredPurpose;
  readonly alg: KeyAlg;
  readonly publicJwk: JWK;
  readonly wrappedPrivateKey: Uint8Array;
}

/** Inserts a key that signs; nothing happens when one is there already. */
export async function insertKey(tx: TenantTx, key: StoredKey, createdAtMs: number): Promise<void> {
  await tx.sql`
    insert into mono.signing_keys (tenant_id, kid, purpose, alg, public_jwk, wrapped_private_key, state, created_at)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(key.kid)}, ${key.purpose}, ${key.alg}, ${new Json(key.publicJwk)},
      ${key.wrappedPrivateKey}, 'active', ${new Date(createdAtMs)})
    on conflict (tenant_id, purpose, alg) where state = 'active' do nothing`;
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

/** The public keys that verify, newest first: those that sign and those that are being retired. */
export async function verifyingKeys(tx: TenantTx, purpose: StoredPurpose): Promise<JWK[]> {
  const rows = await tx.sql<{ public_jwk: JWK }>`
    select public_jwk from mono.signing_keys
    where tenant_id = ${uuidOf(tx.tenantId)} and purpose = ${purpose} and state in ('active', 'retiring')
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
