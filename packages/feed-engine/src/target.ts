import { type AgentId, type ClientId, type HostId, type Id, isId, type UserId } from '@mono-auth/core/ids';

/** Longest `jti` or `sid`, characters. */
const handleCharsMax = 128;

/** What a revocation takes access away from. */
export type RevocationTarget =
  /** One token and all that were made from it. */
  | { readonly kind: 'token'; readonly jti: string }
  /** One session and every token minted in it. */
  | { readonly kind: 'session'; readonly sid: string }
  | { readonly kind: 'host'; readonly id: HostId }
  | { readonly kind: 'agent'; readonly id: AgentId }
  | { readonly kind: 'client'; readonly id: ClientId }
  | { readonly kind: 'user'; readonly id: UserId }
  /** A delegation edge or a refresh family. */
  | { readonly kind: 'grant'; readonly id: Id<'gra'> }
  /** Everything of the tenant that was minted before. */
  | { readonly kind: 'tenant' };

export type TargetKind = RevocationTarget['kind'];
/** All that can be taken away: a token key too. */
export type CutKind = TargetKind | 'key';

const isHandle = (value: unknown) =>
  typeof value === 'string' && value.length <= handleCharsMax && /^[\x21-\x7e]+$/.test(value);

const handles = {
  token: { member: 'jti', accepts: isHandle },
  session: { member: 'sid', accepts: isHandle },
  host: { member: 'id', accepts: (value) => isId('hst', value) },
  agent: { member: 'id', accepts: (value) => isId('agt', value) },
  client: { member: 'id', accepts: (value) => isId('cli', value) },
  user: { member: 'id', accepts: (value) => isId('usr', value) },
  grant: { member: 'id', accepts: (value) => isId('gra', value) },
} as const satisfies Record<Exclude<TargetKind, 'tenant'>, { member: string; accepts: (value: unknown) => boolean }>;

/** Whether `value` is exactly a target: no member missing, malformed or too many. */
export function isTarget(value: unknown): value is RevocationTarget {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, ...rest } = value as Record<string, unknown>;
  const names = Object.keys(rest);
  if (kind === 'tenant') return names.length === 0;
  if (typeof kind !== 'string' || !Object.hasOwn(handles, kind)) return false;
  const { member, accepts } = handles[kind as keyof typeof handles];
  return names.length === 1 && names[0] === member && accepts(rest[member]);
}

/** The handle within its kind; empty for the tenant as a whole. */
export function targetHandle(target: RevocationTarget): string {
  if (target.kind === 'tenant') return '';
  if (target.kind === 'token') return target.jti;
  return target.kind === 'session' ? target.sid : target.id;
}
