import type { AgentId, ClientId, HostId, RequestId, SessionId, TenantId, TokenId, UserId } from './ids.ts';
import type { Runtime } from './runtime.ts';

/** Who a token speaks of, as a URI inside one tenant. `service:` is a client that is a resource server. */
export type Principal =
  | `user:${UserId}`
  | `host:${HostId}`
  | `agent:${AgentId}`
  | `client:${ClientId}`
  | `service:${ClientId}`
  | 'system:platform'
  | 'anonymous:';

export type PrincipalKind = 'user' | 'host' | 'agent' | 'client' | 'service' | 'system' | 'anonymous';

export function principalKind(principal: Principal): PrincipalKind {
  return principal.slice(0, principal.indexOf(':')) as PrincipalKind;
}

/** RFC 8693 §4.1: the outermost is the current actor, nested ones are earlier. */
export interface Actor {
  sub: Principal;
  sub_profile?: string;
  cnf?: { jkt: string };
  act?: Actor;
}

/** The proven origin of a call. Made by `authenticate`, never by a handler. */
export interface Caller {
  readonly principal: Principal;
  readonly tenantId: TenantId;
  readonly tenantSlug: string;
  readonly tenantRole: TenantRole | undefined;
  /** Permissions this call may use: those of its token and no more. */
  readonly scope: ReadonlySet<string>;
  readonly tokenId: TokenId | undefined;
  readonly sessionId: SessionId | undefined;
  readonly clientId: ClientId | undefined;
  readonly act: Actor | undefined;
  readonly requestId: RequestId;
  /** Address of the peer as the edge saw it; empty when unknown. */
  readonly ip: string;
}

/** What is known of a caller who came without a token. */
type TokenlessCaller = Pick<Caller, 'principal' | 'requestId' | 'ip'> & {
  readonly [K in 'tenantRole' | 'sessionId' | 'clientId']?: Caller[K];
} & {
  readonly tenant: { readonly id: TenantId; readonly slug: string };
};

/** A caller who holds no token and so no permission: whoever proves a key, signs in, or is nobody yet. */
export function callerWithoutToken({ tenant, tenantRole, sessionId, clientId, ...known }: TokenlessCaller): Caller {
  return {
    ...known,
    tenantId: tenant.id,
    tenantSlug: tenant.slug,
    tenantRole,
    scope: new Set(),
    tokenId: undefined,
    sessionId,
    clientId,
    act: undefined,
  };
}

/** What every use case is handed beside its transaction: the clock and who calls. */
export interface Call {
  readonly runtime: Runtime;
  readonly caller: Caller;
}

/** Roles inside a tenant, strongest first. What each may do stands in `permissions.ts`. */
export const tenantRoles = ['owner', 'admin', 'auditor', 'member'] as const;
export type TenantRole = (typeof tenantRoles)[number];
