import { Refusal } from '@mono-auth/core/errors';
import { type AgentId, type GrantId, type HostId, isId, type UserId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';

/** The edge from a person to an agent that may act for them. */
export interface AgentConsent {
  readonly id: GrantId;
  readonly userId: UserId;
  readonly agentId: AgentId;
  /** The agent's. */
  readonly hostId: HostId;
  /** What the agent may use at most for the person. */
  readonly scopes: readonly string[];
  /** Resource identifiers that it may reach for the person; empty: those of its host. */
  readonly audiences: readonly string[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly endedAtMs: number | undefined;
}

/** A consent that nobody has looked at for half a year is forgotten, and what is forgotten should not be in force. */
const consentMsMax = 180 * 86_400_000;

/** @throws Refusal `invalid_request`. */
export function readExpiry(expiresAtMs: number, nowMs: number): number {
  if (expiresAtMs > nowMs && expiresAtMs <= nowMs + consentMsMax) return expiresAtMs;
  throw new Refusal('invalid_request', 'expires_at: in the future, at most 180 days ahead');
}

/**
 * The person who calls. Nobody else allows anything in their name: an agent that acts for them could let in another one.
 * @throws Refusal `denied`.
 */
export function callingPerson({ caller }: Call): UserId {
  const id = caller.principal.slice('user:'.length);
  if (caller.principal.startsWith('user:') && isId('usr', id) && !caller.act) return id;
  throw new Refusal('denied', 'a person decides alone who acts for them');
}
