import { createPublicKey, type KeyObject } from 'node:crypto';
import { Refusal } from '@mono-auth/core/errors';
import { isId, type TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { head } from '@mono-auth/feed-engine';
import { calculateJwkThumbprint, compactVerify, type JWK, jwtVerify } from 'jose';
import { ProvenSignatures } from './proven-signatures.ts';

/** `typ` of key certificates. */
const certificateType = 'mono-key-cert+jwt';
/** Root and feed keys are ES256 (architecture section 5). */
const algorithm = 'ES256';
/** Heads that this process remembers to have proven, some 100 bytes each: those of a second, of more tenants than it follows. */
const provenMax = 2_000;
/** Of every subscriber in this process: what they are sent is the same. */
const proven = new ProvenSignatures(provenMax);

/** A tenant's feed key, certified by the platform root that this process has pinned. */
export interface FeedTrust {
  readonly tenantId: TenantId;
  readonly kid: string;
  /** Verifies what the feed key signed: feed heads. */
  readonly verify: head.VerifySignature;
  /**
   * The payload of a compact JWS of the feed key and exactly this `typ`.
   * @throws Refusal `verification_failed`.
   */
  openStatement(jws: string, typ: string): Promise<Uint8Array>;
}

/**
 * Whether a root offered by the server may be trusted: it must be the pinned one, or there is no pin yet.
 * @returns the root to pin. @throws Refusal `verification_failed` when it is another.
 */
export async function pinRoot(pinned: JWK | undefined, offered: JWK | undefined): Promise<JWK> {
  const root = pinned ?? offered;
  if (!root) throw new Refusal('verification_failed', 'root key: none is pinned and none was offered');
  if (pinned && offered && (await thumbprint(pinned)) !== (await thumbprint(offered))) {
    throw new Refusal('verification_failed', 'root key: not the pinned one');
  }
  return root;
}

/**
 * Opens the feed key's certificate `{iss, tenant_id, purpose: "feed", jwk, iat}`. It carries no `exp`: it holds until the
 * key is replaced.
 * @throws Refusal `verification_failed`.
 */
export async function openCertificate(certificate: string, root: JWK, runtime: Runtime): Promise<FeedTrust> {
  const { payload } = await jwtVerify(certificate, root, {
    algorithms: [algorithm],
    typ: certificateType,
    currentDate: new Date(runtime.nowMs()),
  }).catch((cause: unknown) => {
    throw new Refusal('verification_failed', 'feed key: not certified by the pinned root', { cause });
  });
  const { tenant_id, purpose, jwk } = payload as { tenant_id?: unknown; purpose?: unknown; jwk?: JWK };
  const usable = jwk?.kty === 'EC' && jwk.crv === 'P-256' && typeof jwk.kid === 'string';
  // A key of another power of the same tenant must not speak for the feed.
  if (purpose !== 'feed' || !isId('ten', tenant_id) || !usable) {
    throw new Refusal('verification_failed', 'feed key: the certificate is not that of a feed key');
  }
  const { kty, crv, x, y, kid } = jwk as JWK & { kid: string };
  return trustOf(tenant_id, kid, { kty, crv, x, y } as JWK);
}

async function trustOf(tenantId: TenantId, kid: string, jwk: JWK): Promise<FeedTrust> {
  const key = keyOf(jwk);
  const named = { key, thumbprint: await calculateJwkThumbprint(jwk) };
  return {
    tenantId,
    kid,
    verify: (message, signature) => proven.verify(named, message, signature),
    async openStatement(jws, typ) {
      const { payload, protectedHeader } = await compactVerify(jws, key, { algorithms: [algorithm] }).catch(
        (cause: unknown) => {
          throw new Refusal('verification_failed', 'statement: not signed by the feed key', { cause });
        },
      );
      if (protectedHeader.typ !== typ || protectedHeader.kid !== kid) {
        throw new Refusal('verification_failed', `statement: not a ${typ} of the feed key`);
      }
      return payload;
    },
  };
}

function keyOf(jwk: JWK): KeyObject {
  try {
    return createPublicKey({ key: { ...jwk }, format: 'jwk' });
  } catch (cause) {
    throw new Refusal('verification_failed', 'feed key: no point of its curve', { cause });
  }
}

function thumbprint(jwk: JWK): Promise<string> {
  return calculateJwkThumbprint(jwk).catch((cause: unknown) => {
    throw new Refusal('verification_failed', 'root key: not a public JWK', { cause });
  });
}
