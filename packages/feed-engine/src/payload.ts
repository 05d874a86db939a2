import { textOf, utf8 } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { isId } from '@mono-auth/core/ids';
import { isCount } from './canonical-bytes.ts';
import { payloadBytesMax } from './chain.ts';
import { isTarget, type RevocationTarget } from './target.ts';

/** Longest reason of a revocation, characters: a sentence for people, as the API allows it. */
const reasonCharsMax = 500;
/** Longest `kid`, policy hash or state, characters. */
const tokenCharsMax = 128;

/** Access is taken away from a target. */
export interface RevocationPayload {
  readonly v: 1;
  readonly id: string;
  readonly target: RevocationTarget;
  readonly reason: string;
}

/** Every token of the tenant minted in an earlier epoch is dead. */
export interface EpochPayload {
  readonly v: 1;
  readonly epoch: number;
}

const keyStates = ['published', 'active', 'retired', 'revoked'] as const;

/** A token key of the tenant changed. `revoked` kills what it signed. */
export interface KeyPayload {
  readonly v: 1;
  readonly kid: string;
  readonly state: (typeof keyStates)[number];
}

/** A policy version was published. */
export interface PolicyPayload {
  readonly v: 1;
  readonly version: number;
  readonly hash: string;
}

const clientStates = ['active', 'suspended', 'retired'] as const;

/** A client may or may no longer obtain tokens. Its tokens die by a revocation, not by this. */
export interface ClientPayload {
  readonly v: 1;
  readonly id: string;
  readonly state: (typeof clientStates)[number];
}

const registryStates = ['active', 'quarantined', 'removed'] as const;

/** An MCP server of the registry changed. */
export interface RegistryPayload {
  readonly v: 1;
  readonly id: string;
  readonly state: (typeof registryStates)[number];
}

export interface Payloads {
  revocation: RevocationPayload;
  epoch: EpochPayload;
  key: KeyPayload;
  policy: PolicyPayload;
  client: ClientPayload;
  registry: RegistryPayload;
}

export type EntryKind = keyof Payloads;
type Rules = Record<string, (value: unknown) => boolean>;

const isToken = (value: unknown) =>
  typeof value === 'string' && value.length <= tokenCharsMax && /^[\x21-\x7e]+$/.test(value);
const isReason = (value: unknown) =>
  typeof value === 'string' && value.length <= reasonCharsMax && value.isWellFormed();
const isOneOf = (values: readonly string[]) => (value: unknown) => typeof value === 'string' && values.includes(value);

/** The members of each kind, in their canonical order; all are required and there are no others. */
const rules = {
  revocation: { id: (value) => isId('rev', value), target: isTarget, reason: isReason },
  epoch: { epoch: isCount },
  key: { kid: isToken, state: isOneOf(keyStates) },
  policy: { version: isCount, hash: isToken },
  client: { id: (value) => isId('cli', value), state: isOneOf(clientStates) },
  registry: { id: (value) => isId('srv', value), state: isOneOf(registryStates) },
} as const satisfies Record<EntryKind, Rules>;

export const entryKinds = Object.keys(rules) as readonly EntryKind[];

export function isEntryKind(kind: string): kind is EntryKind {
  return Object.hasOwn(rules, kind);
}

/** The bytes of an entry's payload. @throws Refusal `invalid_request` when it breaks the rules of its kind. */
export function encodePayload<K extends EntryKind>(kind: K, payload: Payloads[K]): Uint8Array<ArrayBuffer> {
  const bytes = utf8(JSON.stringify(canonical(kind, payload)));
  if (bytes.length > payloadBytesMax) throw new Refusal('invalid_request', `${kind} payload: too long`);
  return bytes;
}

/**
 * Reads the payload of a known kind.
 * @throws Refusal `invalid_request` on anything but the exact form, a later version included: a consumer that cannot
 * understand what was taken away must not go on as if it had.
 */
export function parsePayload<K extends EntryKind>(kind: K, bytes: Uint8Array): Payloads[K] {
  if (bytes.length > payloadBytesMax) throw new Refusal('invalid_request', `${kind} payload: too long`);
  let value: unknown;
  try {
    value = JSON.parse(textOf(bytes));
  } catch (cause) {
    throw new Refusal('invalid_request', `${kind} payload: not JSON`, { cause });
  }
  return canonical(kind, value);
}

function canonical<K extends EntryKind>(kind: K, value: unknown): Payloads[K] {
  const members: Record<string, unknown> = typeof value === 'object' && value !== null ? { ...value } : {};
  if (members.v !== 1) throw new Refusal('invalid_request', `${kind} payload: not version 1`);
  const expected: Rules = rules[kind];
  const names = Object.keys(expected);
  for (const name of names) {
    if (!expected[name]?.(members[name])) throw new Refusal('invalid_request', `${kind} payload: ${name}`);
  }
  const surplus = Object.keys(members).find((name) => name !== 'v' && !names.includes(name));
  if (surplus !== undefined) throw new Refusal('invalid_request', `${kind} payload: unknown member`);
  return Object.fromEntries([['v', 1], ...names.map((name) => [name, members[name]])]) as unknown as Payloads[K];
}
