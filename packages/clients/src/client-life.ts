import { Refusal } from '@mono-auth/core/errors';
import type { UserId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import type { Client } from './client.ts';
import type { Manifest } from './manifest.ts';
import { isWidening, narrowed } from './manifest-changes.ts';
import { manifestHash } from './manifest-hash.ts';

/**
 * The life of a client: draft → submitted → approved ⇄ suspended → retired, and beside an approved manifest one that is
 * proposed. Each rule answers the client as it then is, one version on, or the same object where it already is so: a call
 * that is repeated after its answer was lost changes nothing.
 */

/** Asks for the approval of what is proposed. @throws Refusal `stale_version`. */
export function submitted(client: Client, hash: string | undefined, by: Principal): Client {
  requireLiving(client);
  if (!client.proposed) throw stale('nothing is proposed');
  if (hash !== undefined && hash !== manifestHash(client.proposed)) throw stale('another manifest is proposed');
  if (client.proposedSubmitted) return client;
  const status = client.status === 'draft' ? 'submitted' : client.status;
  return next(client, { status, proposedSubmitted: true, submittedBy: by });
}

/** Puts exactly the manifest of this hash in force. @throws Refusal `stale_version`. */
export function approved(client: Client, hash: string, by: Principal): Client {
  requireLiving(client);
  const { proposed, manifest } = client;
  if (!proposed && manifest && manifestHash(manifest) === hash) return client;
  if (!proposed || manifestHash(proposed) !== hash) throw stale('manifest_hash: is not that of what is proposed');
  if (!client.proposedSubmitted) throw stale('what is proposed was not submitted');
  const status = client.status === 'suspended' ? 'suspended' : 'approved';
  return next(client, { status, manifest: proposed, proposed: undefined, proposedSubmitted: false, approvedBy: by });
}

/** Sends what was submitted back; it stays proposed. @throws Refusal `stale_version`. */
export function rejected(client: Client): Client {
  requireLiving(client);
  if (!client.proposed) throw stale('nothing is proposed');
  if (!client.proposedSubmitted) return client;
  const status = client.status === 'submitted' ? 'draft' : client.status;
  return next(client, { status, proposedSubmitted: false });
}

/**
 * Changes the manifest: before the first approval as a whole; after it, what narrows applies at once, and the whole is
 * proposed where it widens as well. Whatever was proposed or submitted before is dropped.
 * @throws Refusal `stale_version` when the client has changed since `version`.
 */
export function updated(
  client: Client,
  change: { readonly version: number; readonly manifest: Manifest; readonly ownerUserId: UserId | undefined },
): Client {
  requireLiving(client);
  if (change.version !== client.version) throw stale(`version: is ${client.version} by now`);
  const { manifest: to } = change;
  const owner = { ownerUserId: change.ownerUserId ?? client.ownerUserId, proposedSubmitted: false };
  if (!client.manifest) return next(client, { ...owner, status: 'draft', proposed: to });
  const proposed = isWidening(client.manifest, to) ? to : undefined;
  return next(client, { ...owner, manifest: narrowed(client.manifest, to), proposed });
}

/** @throws Refusal `pending_approval` before the first approval: there is nothing to suspend. */
export function suspended(client: Client): Client {
  requireLiving(client);
  requireApproved(client);
  return client.status === 'suspended' ? client : next(client, { status: 'suspended' });
}

/** @throws Refusal `pending_approval` before the first approval. */
export function resumed(client: Client): Client {
  requireLiving(client);
  requireApproved(client);
  return client.status === 'approved' ? client : next(client, { status: 'approved' });
}

/** Retiring is final: nothing leads out of it. */
export function requireLiving({ status }: Client): void {
  if (status === 'retired') throw stale('the client is retired');
}

function requireApproved({ status }: Client): void {
  if (status === 'draft' || status === 'submitted') {
    throw new Refusal('pending_approval', `the client is ${status === 'draft' ? 'a draft' : 'not approved yet'}`);
  }
}

function next(client: Client, change: Partial<Client>): Client {
  const changed = { ...client, ...change, version: client.version + 1 };
  const shown = changed.manifest ?? changed.proposed;
  return shown ? { ...changed, scopes: shown.scopes, audiences: shown.audiences, jwks: shown.jwks } : changed;
}

function stale(why: string): Refusal {
  return new Refusal('stale_version', why);
}
