import { Refusal } from './errors.ts';
import type { Runtime } from './runtime.ts';

/**
 * Ids are UUIDv7 in the database and `prefix_` + 26 lower-case Crockford base32 characters everywhere else,
 * so that an id of one kind can never be passed where another is meant.
 */
export const idKinds = {
  ten: 'tenant',
  usr: 'user',
  per: 'person',
  ses: 'session',
  hst: 'host',
  agt: 'agent',
  cli: 'client',
  inv: 'invite',
  gra: 'grant',
  rev: 'revocation',
  req: 'request',
  evt: 'audit event',
  dec: 'decision',
  key: 'key',
  sub: 'feed subscriber',
  pol: 'policy version',
  ctr: 'delegation contract',
  srv: 'MCP server',
  tok: 'token',
  rot: 'key rotation',
  sec: 'client secret',
  iat: 'initial access token',
  dev: 'device authorization',
} as const;

export type IdKind = keyof typeof idKinds;
declare const idBrand: unique symbol;
export type Id<K extends IdKind> = string & { readonly [idBrand]: K };

export type TenantId = Id<'ten'>;
export type UserId = Id<'usr'>;
export type SessionId = Id<'ses'>;
export type HostId = Id<'hst'>;
export type AgentId = Id<'agt'>;
export type ClientId = Id<'cli'>;
export type GrantId = Id<'gra'>;
export type InviteId = Id<'inv'>;
export type RevocationId = Id<'rev'>;
export type RequestId = Id<'req'>;
export type EventId = Id<'evt'>;
export type DecisionId = Id<'dec'>;
export type KeyId = Id<'key'>;
export type RotationId = Id<'rot'>;
export type SubscriberId = Id<'sub'>;
export type PolicyVersionId = Id<'pol'>;
/** The `jti` of a token. */
export type TokenId = Id<'tok'>;

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const bodyPattern = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** A fresh id of one kind. */
export function newId<K extends IdKind>(runtime: Runtime, kind: K): Id<K> {
  return idFromUuid(kind, runtime.uuid());
}

/**
 * 26 characters of 5 bits hold a uuid's 128: two characters for its first two hexadecimal digits, then four characters
 * for five digits each, so that plain numbers do (ids are read and written with every row).
 */
const groupsOfDigits = 6;

/** The wire form of a database uuid. Throws TypeError when `uuid` is not one: that is a programming error. */
export function idFromUuid<K extends IdKind>(kind: K, uuid: string): Id<K> {
  if (!uuidPattern.test(uuid)) throw new TypeError(`not a canonical uuid: ${uuid}`);
  const digits = uuid.replaceAll('-', '');
  let body = characters(Number.parseInt(digits.slice(0, 2), 16), 2);
  for (let group = 0; group < groupsOfDigits; group++) {
    const start = 2 + group * 5;
    body += characters(Number.parseInt(digits.slice(start, start + 5), 16), 4);
  }
  return `${kind}_${body}` as Id<K>;
}

/** The database uuid of an id. */
export function uuidOf(id: Id<IdKind>): string {
  let hex = numberOf(id.slice(4, 6)).toString(16).padStart(2, '0');
  for (let group = 0; group < groupsOfDigits; group++) {
    const start = 6 + group * 4;
    hex += numberOf(id.slice(start, start + 4))
      .toString(16)
      .padStart(5, '0');
  }
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function characters(value: number, length: number): string {
  let text = '';
  for (let rest = value, i = 0; i < length; i++, rest >>= 5) text = alphabet.charAt(rest & 31) + text;
  return text;
}

function numberOf(text: string): number {
  let value = 0;
  for (const char of text) value = value * 32 + alphabet.indexOf(char);
  return value;
}

/** Whether `text` has the exact form of an id of this kind (no claim that it exists). */
export function isId<K extends IdKind>(kind: K, text: unknown): text is Id<K> {
  return typeof text === 'string' && text.startsWith(`${kind}_`) && bodyPattern.test(text.slice(4));
}

/**
 * Reads an id that came from outside.
 * @throws Refusal `invalid_request`, naming the field and the form that is allowed.
 */
export function parseId<K extends IdKind>(kind: K, text: unknown, field: string): Id<K> {
  if (isId(kind, text)) return text;
  throw new Refusal('invalid_request', `${field}: not a ${idKinds[kind]} id (${kind}_ and 26 characters)`);
}
