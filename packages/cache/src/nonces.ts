import { createHmac } from 'node:crypto';
import { base64url, concatBytes, equalBytes, fromBase64url, utf8 } from '@mono-auth/core/encoding';
import type { TenantId } from '@mono-auth/core/ids';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Ephemeral } from './ephemeral.ts';

export interface NonceDeps {
  readonly ephemeral: Pick<Ephemeral, 'incarnation' | 'consumeOnce'>;
  readonly runtime: Runtime;
  /** Key of the MAC, 32 bytes, the same in every process of the installation. */
  readonly secret: Uint8Array;
}

/**
 * `use_new`: it was ours and counts no more, because its time is over or the store was lost, and with it the knowledge of what was
 * consumed; whoever asks for a new one may go on. `refused`: never ours, of another use, tenant or binding, or consumed before.
 */
export type NonceAnswer = 'ok' | 'use_new' | 'refused';

/** Nonces that work once. Nothing is stored when one is issued, and a mark alone when it is consumed. */
export interface Nonces {
  /** @param binding what it may be consumed with, and nothing else. */
  issue(tenantId: TenantId, binding: string): Promise<{ nonce: string; expiresAtMs: number }>;
  consume(tenantId: TenantId, binding: string, nonce: string): Promise<NonceAnswer>;
}

/** Nonces that everybody may use for a while; what is consumed once is the proof that carries one. */
export interface NonceWindow {
  /** The nonce to give out now; good for one to two windows. */
  current(tenantId: TenantId): Promise<string>;
  /** Whether `nonce` counts now, for whoever consumes the proof elsewhere. */
  accepts(tenantId: TenantId, nonce: string): Promise<boolean>;
  /**
   * Consumes a proof that carries `nonce`; a nonce that was never ours is answered as an old one (RFC 9449 §8).
   * @param proofId what makes the proof one: the thumbprint of its key and its `jti`.
   */
  consumeProof(tenantId: TenantId, nonce: string, proofId: string): Promise<NonceAnswer>;
}

/** A nonce is base64url of: when it ends (6 bytes) ‖ the store it was issued under ‖ salt ‖ MAC. */
const timeBytes = 6;
const storeBytes = 16;
const macBytes = 32;
/** 128 bits: of all that are issued, no two are alike. */
const saltBytes = 16;
/** Processes' clocks differ by this much: one may issue what another finds too new, or still good a little longer. */
const skewMs = clockSkewSeconds * 1000;

/**
 * @param kind of the marks in the store.
 * @param lifeMs how long a nonce may be consumed.
 */
export function createNonces(deps: NonceDeps, { kind, lifeMs }: { kind: string; lifeMs: number }): Nonces {
  const { ephemeral, runtime } = deps;
  const seal = createSeal(deps.secret, kind, saltBytes);
  return {
    async issue(tenantId, binding) {
      const incarnation = await ephemeral.incarnation();
      const expiresAtMs = runtime.nowMs() + lifeMs;
      const salt = runtime.randomBytes(saltBytes);
      return { nonce: seal.issue({ tenantId, binding, expiresAtMs, incarnation, salt }), expiresAtMs };
    },
    async consume(tenantId, binding, nonce) {
      const opened = seal.open(tenantId, binding, nonce);
      return opened ? consumeUnder(deps, opened, { tenantId, kind, key: nonce, lifeMs }) : 'refused';
    },
  };
}

/**
 * @param kind of the marks in the store.
 * @param windowMs how long the same nonce is given out; it is good in this window and in the next.
 */
export function createNonceWindow(
  deps: NonceDeps,
  { kind, windowMs }: { kind: string; windowMs: number },
): NonceWindow {
  const { ephemeral, runtime } = deps;
  const seal = createSeal(deps.secret, kind, 0);
  const lifeMs = 2 * windowMs;
  return {
    async current(tenantId) {
      const incarnation = await ephemeral.incarnation();
      const expiresAtMs = Math.floor(runtime.nowMs() / windowMs) * windowMs + lifeMs;
      return seal.issue({ tenantId, binding: '', expiresAtMs, incarnation, salt: new Uint8Array() });
    },
    async accepts(tenantId, nonce) {
      const opened = seal.open(tenantId, '', nonce);
      return (
        opened !== undefined &&
        isGood(opened, runtime.nowMs(), lifeMs) &&
        opened.issuedUnder(await ephemeral.incarnation())
      );
    },
    async consumeProof(tenantId, nonce, proofId) {
      const opened = seal.open(tenantId, '', nonce);
      return opened ? consumeUnder(deps, opened, { tenantId, kind, key: proofId, lifeMs }) : 'use_new';
    },
  };
}

interface Opened {
  readonly expiresAtMs: number;
  issuedUnder(incarnation: string): boolean;
}

function isGood({ expiresAtMs }: Opened, nowMs: number, lifeMs: number): boolean {
  const leftMs = expiresAtMs - nowMs;
  return leftMs > 0 && leftMs <= lifeMs + skewMs;
}

/** The store decides: the mark counts only under the incarnation that issued the nonce, and only if that is the store's own. */
async function consumeUnder(
  { ephemeral, runtime }: NonceDeps,
  opened: Opened,
  mark: { tenantId: TenantId; kind: string; key: string; lifeMs: number },
): Promise<NonceAnswer> {
  const { tenantId, kind, key, lifeMs } = mark;
  if (!isGood(opened, runtime.nowMs(), lifeMs)) return 'use_new';
  const incarnation = await ephemeral.incarnation();
  if (!opened.issuedUnder(incarnation)) return 'use_new';
  // The mark outlives the nonce by every clock: consumed by one that goes ahead, asked again by one that is behind.
  if (await ephemeral.consumeOnce(tenantId, kind, key, lifeMs + 2 * skewMs, incarnation)) return 'ok';
  return (await ephemeral.incarnation()) === incarnation ? 'refused' : 'use_new';
}

/** Issues nonces of one use and opens them again; nothing but the secret is needed to know one's own. */
function createSeal(secret: Uint8Array, kind: string, saltLength: number) {
  const mac = (text: string, bytes = new Uint8Array()) =>
    new Uint8Array(createHmac('sha256', secret).update(utf8(text)).update(bytes).digest());
  /** Names the store without showing its name. */
  const storeOf = (incarnation: string) => mac(JSON.stringify(['store', incarnation])).subarray(0, storeBytes);
  const macOf = (tenantId: TenantId, binding: string, body: Uint8Array<ArrayBuffer>) =>
    mac(JSON.stringify(['nonce', kind, tenantId, binding]), body);
  const bodyLength = timeBytes + storeBytes + saltLength;
  return {
    issue(of: { tenantId: TenantId; binding: string; expiresAtMs: number; incarnation: string; salt: Uint8Array }) {
      const time = Buffer.alloc(timeBytes);
      time.writeUIntBE(of.expiresAtMs, 0, timeBytes);
      const body = concatBytes(time, storeOf(of.incarnation), of.salt);
      return base64url(concatBytes(body, macOf(of.tenantId, of.binding, body)));
    },
    /** Undefined for what was not issued here, for this tenant and binding. */
    open(tenantId: TenantId, binding: string, nonce: string): Opened | undefined {
      const bytes = bytesOf(nonce);
      if (bytes?.length !== bodyLength + macBytes) return undefined;
      const body = bytes.slice(0, bodyLength);
      if (!equalBytes(bytes.subarray(bodyLength), macOf(tenantId, binding, body))) return undefined;
      return {
        expiresAtMs: Buffer.from(body).readUIntBE(0, timeBytes),
        issuedUnder: (incarnation) =>
          equalBytes(body.subarray(timeBytes, timeBytes + storeBytes), storeOf(incarnation)),
      };
    },
  };
}

/** One text for each nonce: no other spelling of it is taken. */
function bytesOf(nonce: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return fromBase64url(nonce);
  } catch {
    return undefined;
  }
}
