import { Refusal } from '@mono-auth/core/errors';
import { isId, type TenantId } from '@mono-auth/core/ids';
import { base64, fromBase64 } from './base64.ts';
import { isTreeSize } from './compact-range.ts';
import { hashBytes } from './hash.ts';

/** What a log signs (C2SP tlog-checkpoint): this many entries have this root. */
export interface Checkpoint {
  /** Names the log, and thereby the tenant, for ever; also the name of its key. */
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Opaque lines after the root, each without its newline. */
  readonly extensions: readonly string[];
}

/** What our checkpoints say in extension lines: whose log it is, and which life of its database. */
export interface LogIdentity {
  readonly tenantId: TenantId;
  /** Raised when a database was rolled back and recovered. */
  readonly incarnation: number;
}

/** The text to sign. @throws Refusal `invalid_request` on a part that would break its lines. */
export function checkpointText(
  checkpoint: Omit<Checkpoint, 'extensions'> & { extensions?: readonly string[] },
): string {
  const { origin, size, root, extensions = [] } = checkpoint;
  const lines = [origin, ...extensions];
  if (lines.some((line) => line === '' || line.includes('\n')) || !isTreeSize(size) || root.length !== hashBytes) {
    throw new Refusal('invalid_request', 'checkpoint: an empty or broken line, size or root');
  }
  return `${[origin, size, base64(root), ...extensions].join('\n')}\n`;
}

/** @throws Refusal `verification_failed` when `text` is not the text of a checkpoint. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', size = '', root = '', ...rest] = text.split('\n');
  const extensions = rest.slice(0, -1);
  const rootHash = fromBase64(root);
  const decimal = /^(0|[1-9][0-9]*)$/.test(size) && isTreeSize(Number(size));
  const ended = rest.at(-1) === '' && origin !== '' && !extensions.includes('');
  if (!ended || !decimal || rootHash?.length !== hashBytes) {
    throw new Refusal('verification_failed', 'not a checkpoint: origin, size, root');
  }
  return { origin, size: Number(size), root: rootHash, extensions };
}

/** The extension lines of our own logs. */
export function logExtensions(identity: LogIdentity): string[] {
  return [`tenant ${identity.tenantId}`, `incarnation ${identity.incarnation}`];
}

/** @throws Refusal `verification_failed` unless the checkpoint begins its extensions with ours. */
export function logIdentity(checkpoint: Checkpoint): LogIdentity {
  const [tenantLine = '', incarnationLine = ''] = checkpoint.extensions;
  const tenantId = tenantLine.slice('tenant '.length);
  const incarnation = Number(/^incarnation (0|[1-9][0-9]*)$/.exec(incarnationLine)?.[1]);
  if (!tenantLine.startsWith('tenant ') || !isId('ten', tenantId) || !Number.isSafeInteger(incarnation)) {
    throw new Refusal('verification_failed', 'checkpoint: names no tenant and incarnation');
  }
  return { tenantId, incarnation };
}
