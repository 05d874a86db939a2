import { notFound, Refusal } from '@mono-auth/core/errors';
import { newId, type TenantId } from '@mono-auth/core/ids';
import { nowSeconds, type Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { JWK } from 'jose';
import { LRUCache } from 'lru-cache';
import { signJwt } from './jwt.ts';
import {
  defaultAlgOf,
  generateKey,
  type KeyAlg,
  type KeyPurpose,
  openSigner,
  provisionedKeys,
  type Signer,
  type StoredPurpose,
} from './key-pair.ts';
import type { Kms } from './kms.ts';
import { activeKey, activePowers, insertKey, type StoredKey, verifyingKeys } from './store.ts';

/**
 * Whose keys: a tenant, or the open transaction of one. Inside a transaction hand in the transaction: transactions do
 * not nest, and keys that it has made are visible to nobody else yet.
 */
export type KeyOwner = TenantId | TenantTx;

export interface Keyring {
  /** Makes the keys of every purpose that the tenant does not have yet. */
  provision(tx: TenantTx): Promise<void>;
  /** @throws Refusal `not_found` when the tenant was not provisioned with such a key. */
  signer(owner: KeyOwner, purpose: KeyPurpose, alg?: KeyAlg): Promise<Signer>;
  /** The keys that verify, newest first, with `kid`, `alg` and `use`. */
  publicKeys(owner: KeyOwner, purpose: KeyPurpose): Promise<readonly JWK[]>;
  /** The tenant's JWK Set (RFC 7517 §5): token keys and no others. */
  jwks(owner: KeyOwner): Promise<{ keys: JWK[] }>;
  /** The platform root's word that this is the tenant's feed key. Not inside a transaction: it reads two tenants. */
  certificate(tenantId: TenantId, purpose: 'feed'): Promise<string>;
  /** The platform's root key, made on first use. Not inside a tenant's transaction. */
  rootJwk(): Promise<JWK>;
}

export interface KeyringDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly kms: Kms;
  /** `iss` of key certificates. */
  readonly platformIssuer: string;
  /** The platform's own tenant, which holds the root key. */
  rootTenant(): Promise<TenantId>;
  /** Signers held in process. */
  readonly signersMax?: number;
}

/** `typ` of key certificates. */
const keyCertificateType = 'mono-key-cert+jwt';

/** Signers held in process: some 300 tenants with every purpose, about 4 MB; the rest is unwrapped again on demand. */
const signersMaxDefault = 2_000;
/** Lists of public keys and certificates held in process, one of each for every tenant and purpose in use. */
const publicMax = 4_000;
/** How long another process may go on with a key that was rotated here; overlap of rotation is far longer. */
const freshMs = 60_000;

export function openKeyring(deps: KeyringDeps): Keyring {
  const { signerOf, publicKeysOf } = openKeyReader(deps);
  const certificates = cacheOf<{ readonly feedKid: string; readonly jwt: string }>(deps.runtime, publicMax);

  async function rootSigner(): Promise<Signer> {
    const owner = await deps.rootTenant();
    try {
      return await signerOf(owner, 'root', 'ES256');
    } catch (error) {
      if (!(error instanceof Refusal && error.reason === 'not_found')) throw error;
    }
    const key = await makeKey(deps, owner, 'root', 'ES256');
    // Two processes may get here at once: one insert wins and both read that key.
    await deps.database.forTenant(owner, (tx) => insertKey(tx, key, deps.runtime.nowMs()));
    return signerOf(owner, 'root', 'ES256');
  }

  return {
    async provision(tx) {
      const there = await activePowers(tx);
      const missing = provisionedKeys.filter(
        ({ purpose, alg }) => !there.some((power) => power.purpose === purpose && power.alg === alg),
      );
      const made = await Promise.all(missing.map(({ purpose, alg }) => makeKey(deps, tx.tenantId, purpose, alg)));
      for (const key of made) await insertKey(tx, key, deps.runtime.nowMs());
    },
    signer: (owner, purpose, alg = defaultAlgOf(purpose)) => signerOf(owner, purpose, alg),
    publicKeys: publicKeysOf,
    jwks: async (owner) => ({ keys: [...(await publicKeysOf(owner, 'token'))] }),
    async certificate(tenantId, purpose) {
      const { publicJwk, kid } = await signerOf(tenantId, purpose, 'ES256');
      const held = certificates.get(tenantId);
      if (held?.feedKid === kid) return held.jwt;
      const jwt = await signJwt(await rootSigner(), keyCertificateType, {
        iss: deps.platformIssuer,
        tenant_id: tenantId,
        purpose,
        jwk: publicJwk,
        iat: nowSeconds(deps.runtime),
      });
      certificates.set(tenantId, { feedKid: kid, jwt });
      return jwt;
    },
    rootJwk: async () => (await rootSigner()).publicJwk,
  };
}

type Cache<V extends object> = LRUCache<string, V>;

function cacheOf<V extends object>(runtime: Runtime, max: number): Cache<V> {
  // lru-cache takes an entry that was stored at time 0 for one without an end.
  return new LRUCache({ max, ttl: freshMs, ttlResolution: 0, perf: { now: () => runtime.monotonicMs() + 1 } });
}

/** Reads keys through bounded caches. */
function openKeyReader({ database, runtime, kms, ...limits }: KeyringDeps) {
  const signers = cacheOf<Signer>(runtime, limits.signersMax ?? signersMaxDefault);
  const publics = cacheOf<{ readonly keys: readonly JWK[] }>(runtime, publicMax);

  /** A key read inside a transaction is kept only once that transaction has committed: it may have made the key. */
  async function cached<V extends object>(
    cache: Cache<V>,
    owner: KeyOwner,
    name: string,
    read: (tx: TenantTx) => Promise<V>,
  ): Promise<V> {
    const key = `${typeof owner === 'string' ? owner : owner.tenantId}|${name}`;
    const known = cache.get(key);
    if (known) return known;
    if (typeof owner === 'string') {
      const value = await database.forTenant(owner, read);
      cache.set(key, value);
      return value;
    }
    const value = await read(owner);
    owner.afterCommit(() => {
      cache.set(key, value);
    });
    return value;
  }

  return {
    signerOf: (owner: KeyOwner, purpose: StoredPurpose, alg: KeyAlg): Promise<Signer> =>
      cached(signers, owner, `${purpose}|${alg}`, async (tx) => {
        const key = await activeKey(tx, purpose, alg);
        if (!key) throw notFound('signing key');
        return unwrapSigner(kms, tx.tenantId, key);
      }),
    publicKeysOf: async (owner: KeyOwner, purpose: StoredPurpose): Promise<readonly JWK[]> => {
      const held = await cached(publics, owner, purpose, async (tx) => ({ keys: await verifyingKeys(tx, purpose) }));
      return held.keys;
    },
  };
}

async function makeKey(
  { runtime, kms }: KeyringDeps,
  tenantId: TenantId,
  purpose: StoredPurpose,
  alg: KeyAlg,
): Promise<StoredKey> {
  const kid = newId(runtime, 'key');
  const { publicJwk, privateKey } = await generateKey(kid, alg);
  const wrappedPrivateKey = await kms.wrap(privateKey, associatedData(tenantId, purpose, kid));
  privateKey.fill(0);
  return { kid, purpose, alg, publicJwk, wrappedPrivateKey };
}

async function unwrapSigner(kms: Kms, tenantId: TenantId, key: StoredKey): Promise<Signer> {
  const pkcs8 = await kms.unwrap(key.wrappedPrivateKey, associatedData(tenantId, key.purpose, key.kid));
  const signer = await openSigner(key.kid, key.alg, key.publicJwk, pkcs8);
  pkcs8.fill(0);
  return signer;
}

/** What a wrapped key belongs to; a row moved to another tenant, purpose or kid does not unwrap. */
function associatedData(tenantId: TenantId, purpose: StoredPurpose, kid: string): string {
  return `${tenantId}|${purpose}|${kid}`;
}
