import type { Actor, Principal, TenantRole } from './principal.ts';

/** `typ` of every access token (RFC 9068 §2.1). */
export const accessTokenType = 'at+jwt';

/** Algorithms of DPoP proofs (`dpop_signing_alg_values_supported`): asymmetric ones whose keys we check. */
export const dpopAlgorithms: readonly string[] = ['ES256', 'EdDSA', 'RS256'];

/** RFC 7800: what its holder has to prove, which may be both. */
export interface Confirmation {
  /** Thumbprint of a DPoP key (RFC 9449 §6.1). */
  jkt?: string;
  /** SHA-256 of a client certificate (RFC 8705 §3.1). */
  'x5t#S256'?: string;
}

/**
 * Claims of an access token. It carries every handle by which it can die, so that a revocation needs no row per token:
 * `jti`, `sub`, `sid`, `client_id`, nested `act`, `grants`, `pjti`, `pcid`, `ep`; and `fs`, the feed sequence that its minter had
 * applied, which cut-offs compare with (never `iat`).
 */
export interface AccessTokenClaims {
  iss: string;
  aud: string | string[];
  sub: Principal;
  exp: number;
  iat: number;
  /** A `tok_…` id. */
  jti: string;
  client_id: string;
  /** Space-separated (RFC 8693 §4.2). */
  scope: string;
  /** A `ten_…` id. */
  tenant_id: string;
  tenant_role?: TenantRole;
  sid?: string;
  act?: Actor;
  /** RFC 8693 §4.4: the one party that may become the actor. Of the token itself alone: nothing made from it carries it. */
  may_act?: { sub: Principal };
  /** Delegation edges and refresh families this token hangs on. */
  grants?: string[];
  /** `jti` of the tokens it was made from, nearest first; at most `ancestorsMax`. */
  pjti?: string[];
  /** Clients that those were issued to, as far as neither `client_id` nor `act` names them. */
  pcid?: string[];
  /** What its holder is in the product that the audience belongs to, by the product's name. */
  roles?: Record<string, string[]>;
  /** What its holder may do everywhere in that product. */
  permissions?: Record<string, string[]>;
  /** What its holder may do besides on single things of that product, by the product's name and its own name of the thing. */
  resource_permissions?: Record<string, Record<string, string[]>>;
  /** Epoch of the tenant. */
  ep: number;
  /** Feed sequence of the minter. */
  fs: number;
  /**
   * How and when the person signed in, seconds (RFC 9470 §6.1), where another issuer vouches for them and the tenant trusts it for
   * that. Of the token itself alone: nothing made from it carries them.
   */
  acr?: string;
  auth_time?: number;
  cnf?: Confirmation;
  /** Decision that allowed it, and the policy version that decided. */
  did?: string;
  pv?: number;
  /** Present when the token serves the gateway alone and may never be exchanged. */
  use?: 'gateway';
}

/** The principals named by `act`, outermost (current) first. */
export function actorChain(act: Actor | undefined): Principal[] {
  const chain: Principal[] = [];
  for (let actor = act; actor; actor = actor.act) chain.push(actor.sub);
  return chain;
}

const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** Splits a scope string (RFC 6749 §3.3) into its distinct values; undefined when it is malformed. */
export function parseScope(scope: string): string[] | undefined {
  const values = scope.split(' ').filter((value) => value !== '');
  return values.every((value) => scopeToken.test(value)) ? [...new Set(values)] : undefined;
}
