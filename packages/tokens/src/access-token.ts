import { isId } from '@mono-auth/core/ids';
import { type Principal, tenantRoles } from '@mono-auth/core/principal';
import { type AccessTokenClaims, parseScope } from '@mono-auth/core/token-claims';
import * as z from 'zod';

/** A token of ours after verification. */
export type VerifiedClaims = AccessTokenClaims;

const idKindOf = { user: 'usr', host: 'hst', agent: 'agt', client: 'cli', service: 'cli' } as const;

/** Whether `text` is the URI of a principal that a token can speak of. */
function isPrincipal(text: string): text is Principal {
  const [kind = '', id, ...rest] = text.split(':');
  return rest.length === 0 && Object.hasOwn(idKindOf, kind) && isId(idKindOf[kind as keyof typeof idKindOf], id);
}

export const principal = z.string().refine(isPrincipal);
const seconds = z.int().nonnegative();
const names = z.array(z.string().min(1));
/** A token that is bound in no way we know would be bound in none. */
const cnf = z
  .object({ jkt: z.string().min(1).optional(), 'x5t#S256': z.string().min(1).optional() })
  .refine((bound) => bound.jkt !== undefined || bound['x5t#S256'] !== undefined);
export const actor = z.object({
  sub: principal,
  sub_profile: z.string().optional(),
  cnf: z.object({ jkt: z.string().min(1) }).optional(),
  get act() {
    return actor.optional();
  },
});

/** The shape that the minter gives every token; a signed token without it is not an access token of ours. */
const claims = z.object({
  iss: z.string(),
  aud: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  sub: principal,
  exp: seconds,
  iat: seconds,
  jti: z.string().refine((text) => isId('tok', text)),
  client_id: z.string().min(1),
  scope: z.string().refine((text) => parseScope(text) !== undefined),
  tenant_id: z.string().refine((text) => isId('ten', text)),
  tenant_role: z.enum(tenantRoles).optional(),
  sid: z.string().min(1).optional(),
  act: actor.optional(),
  may_act: z.object({ sub: principal }).optional(),
  grants: z.array(z.string().min(1)).optional(),
  pjti: z.array(z.string().min(1)).optional(),
  pcid: z.array(z.string().min(1)).optional(),
  roles: z.record(z.string(), names).optional(),
  permissions: z.record(z.string(), names).optional(),
  resource_permissions: z.record(z.string(), z.record(z.string(), names)).optional(),
  ep: z.int().positive(),
  fs: seconds,
  acr: z.string().min(1).optional(),
  auth_time: seconds.optional(),
  cnf: cnf.optional(),
  did: z.string().optional(),
  pv: z.int().optional(),
  use: z.literal('gateway').optional(),
});

export function isAccessToken(payload: unknown): payload is VerifiedClaims {
  return claims.safeParse(payload).success;
}

/** The one audience of a token; undefined when it is meant for several. */
export function soleAudience({ aud }: AccessTokenClaims): string | undefined {
  if (typeof aud === 'string') return aud;
  return aud.length === 1 ? aud[0] : undefined;
}

export function scopeOf(token: AccessTokenClaims): string[] {
  return parseScope(token.scope) ?? [];
}
