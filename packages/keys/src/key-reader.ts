import { notFound } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { JWK } from 'jose';
import { LRUCache } from 'lru-cache';
import { isRotated } from './key-life.ts';
import type { KeyAlg, Signer, StoredPurpose } from './key-pair.ts';
import { activeKey, readKeyVersion, type StoredKey, verifyingKeys } from './store.ts';

/**
 * Whose keys: a tenant, or the open transaction of one. Inside a transaction hand in the transaction: transactions do
 * not nest, and keys that it has made are visible to nobody else yet.
 */
export type KeyOwner = TenantId | TenantTx;

interface KeyReaderDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly signersMax: number;
  readonly publicMax: number;
  unwrap(tenantId: TenantId, key: StoredKey): Promise<Signer>;
}

/** How long anything is held at all. */
const freshMs = 60_000;
/** How long the set of token keys may be behind the database: the feed has ended by then what a revoked one signed. */
const publicBehindMs = 1_000;

/** What was read, and the version of the tenant's keys that it was read at. */
interface Held<V> {
  readonly version: number;
  readonly value: V;
}

export function cacheOf<V extends object>(runtime: Runtime, max: number, ttl = freshMs): LRUCache<string, V> {
  // lru-cache takes an entry that was stored at time 0 for one without an end.
  return new LRUCache({ max, ttl, ttlResolution: 0, perf: { now: () => runtime.monotonicMs() + 1 } });
}

/** Version of what is never rotated: it is held for its time without a question. */
const unrotated = 0;

/** Reads keys through bounded caches. */
export function openKeyReader({ database, runtime, ...deps }: KeyReaderDeps) {
  const signers = cacheOf<Held<Signer>>(runtime, deps.signersMax);
  const publics = cacheOf<Held<readonly JWK[]>>(runtime, deps.publicMax);
  /** Tenants whose token keys were compared with the database just now. */
  const compared = cacheOf<{ readonly version: number }>(runtime, deps.publicMax, publicBehindMs);

  const within = <T>(owner: KeyOwner, work: (tx: TenantTx) => Promise<T>): Promise<T> =>
    typeof owner === 'string' ? database.forTenant(owner, work) : work(owner);

  /** A key read inside a transaction is kept only once that transaction has committed: it may have made the key. */
  async function readIn<V>(
    tx: TenantTx,
    cache: LRUCache<string, Held<V>>,
    [name, version]: readonly [string, number],
    read: () => Promise<V>,
  ): Promise<V> {
    const held = cache.get(name);
    // The version was read before what it stands for, so what is held can only be newer than it says.
    if (held?.version === version) return held.value;
    const value = await read();
    tx.afterCommit(() => {
      cache.set(name, { version, value });
    });
    return value;
  }

  async function signerOf(owner: KeyOwner, purpose: StoredPurpose, alg: KeyAlg, version?: number): Promise<Signer> {
    const tenantId = typeof owner === 'string' ? owner : owner.tenantId;
    const name = `${tenantId}|${purpose}|${alg}`;
    const known = signers.get(name);
    if (known && !isRotated(purpose)) return known.value;
    return within(owner, async (tx) => {
      const current = isRotated(purpose) ? (version ?? (await readKeyVersion(tx))) : unrotated;
      return readIn(tx, signers, [name, current], async () => {
        const key = await activeKey(tx, purpose, alg);
        if (!key) throw notFound('signing key');
        return deps.unwrap(tx.tenantId, key);
      });
    });
  }

  /** What may be answered from memory alone. */
  function heldPublics(tenantId: TenantId, purpose: StoredPurpose, kid?: string): readonly JWK[] | undefined {
    const held = publics.get(`${tenantId}|${purpose}`);
    if (!held || !isRotated(purpose)) return held?.value;
    if (purpose !== 'token' || compared.get(tenantId)?.version !== held.version) return undefined;
    return kid === undefined || held.value.some((key) => key.kid === kid) ? held.value : undefined;
  }

  async function publicKeysOf(owner: KeyOwner, purpose: StoredPurpose, kid?: string): Promise<readonly JWK[]> {
    const tenantId = typeof owner === 'string' ? owner : owner.tenantId;
    const known = heldPublics(tenantId, purpose, kid);
    if (known) return known;
    return within(owner, async (tx) => {
      const version = isRotated(purpose) ? await readKeyVersion(tx) : unrotated;
      tx.afterCommit(() => {
        if (purpose === 'token') compared.set(tenantId, { version });
      });
      return readIn(tx, publics, [`${tenantId}|${purpose}`, version], () => verifyingKeys(tx, purpose));
    });
  }

  return {
    signerOf,
    publicKeysOf,
    /** Compares again what is held of this tenant: for who has changed a key in this process. */
    compareAgain: (tenantId: TenantId): boolean => compared.delete(tenantId),
  };
}
