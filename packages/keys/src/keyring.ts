import { Refusal } from '@mono-auth/core/errors';
import { newId, type TenantId } from '@mono-auth/core/ids';
import { nowSeconds, type Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { JWK } from 'jose';
import { signJwt } from './jwt.ts';
import { type KeyLife, openKeyLife } from './key-life.ts';
import type { KeyLifePolicy } from './key-life-policy.ts';
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
import { cacheOf, type KeyOwner, openKeyReader } from './key-reader.ts';
import type { Kms } from './kms.ts';
import { activePowers, insertKey, raiseKeyVersion, type StoredKey } from './store.ts';

export interface Keyring extends KeyLife {
  /** Makes the keys of every purpose that the tenant does not have yet. */
  provision(tx: TenantTx): Promise<void>;
  /**
   * The key that signs now. One that is rotated is compared with the database in this very call, so that no process signs
   * with a key that has ended; a transaction that has read the tenant's key version hands it in and saves the statement.
   * @throws Refusal `not_found` when the tenant was not provisioned with such a key.
   */
  signer(owner: KeyOwner, purpose: KeyPurpose, alg?: KeyAlg, keyVersion?: number): Promise<Signer>;
  /**
   * The keys to verify with, newest first, with `kid`, `alg` and `use`. Token keys may be a second old, as the feed ends
   * what they signed; with a `kid` that is not among them they are read again. Those of invites are as the database has them.
   */
  publicKeys(owner: KeyOwner, purpose: KeyPurpose, kid?: string): Promise<readonly JWK[]>;
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
  /** How long the stages of a planned rotation last. */
  readonly keyLife?: KeyLifePolicy | undefined;
}

/** `typ` of key certificates. */
const keyCertificateType = 'mono-key-cert+jwt';

/** Signers held in process: some 300 tenants with every purpose, about 4 MB; the rest is unwrapped again on demand. */
const signersMaxDefault = 2_000;
/** Lists of public keys and certificates held in process, one of each for every tenant and purpose in use. */
const publicMax = 4_000;

export function openKeyring(deps: KeyringDeps): Keyring {
  const { signerOf, publicKeysOf, compareAgain } = openKeyReader({
    ...{ database: deps.database, runtime: deps.runtime, publicMax },
    signersMax: deps.signersMax ?? signersMaxDefault,
    unwrap: (tenantId, key) => unwrapSigner(deps.kms, tenantId, key),
  });
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
    await deps.database.forTenant(owner, (tx) => insertKey(tx, key, signingFrom(deps.runtime)));
    return signerOf(owner, 'root', 'ES256');
  }

  return {
    async provision(tx) {
      const there = await activePowers(tx);
      const missing = provisionedKeys.filter(
        ({ purpose, alg }) => !there.some((power) => power.purpose === purpose && power.alg === alg),
      );
      const made = await Promise.all(missing.map(({ purpose, alg }) => makeKey(deps, tx.tenantId, purpose, alg)));
      for (const key of made) await insertKey(tx, key, signingFrom(deps.runtime));
      if (made.length > 0) await raiseKeyVersion(tx);
    },
    signer: (owner, purpose, alg = defaultAlgOf(purpose), keyVersion) => signerOf(owner, purpose, alg, keyVersion),
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
    ...openKeyLife({
      ...{ database: deps.database, runtime: deps.runtime, policy: deps.keyLife },
      makeKey: (tenantId, purpose, alg) => makeKey(deps, tenantId, purpose, alg),
      onChange: compareAgain,
    }),
  };
}

/** A key that signs from now on. */
function signingFrom(runtime: Runtime) {
  const nowMs = runtime.nowMs();
  return { state: 'active', createdAtMs: nowMs, activeAtMs: nowMs } as const;
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
