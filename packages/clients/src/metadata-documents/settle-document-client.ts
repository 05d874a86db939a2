import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import { nameCharsMax } from '@mono-auth/core/limits';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { RevocationDeps } from '@mono-auth/revocation';
import type { Client } from '../client.ts';
import { approved, submitted, updated } from '../client-life.ts';
import { newClient } from '../create-client.ts';
import type { Manifest } from '../manifest.ts';
import { canonicalJson, manifestHash } from '../manifest-hash.ts';
import { principalOf } from '../registration/register-client.ts';
import { countDocumentClients } from '../store/registrations.ts';
import { insertClient, lockClientByExternalId, updateClientLife } from '../store.ts';
import { documentSubject } from './document-manifest.ts';
import type { MetadataDocument } from './read-document.ts';

/** `allowed`: the policy of the tenant approves what the document says; `review`: operators do. */
export type DocumentMode = 'allowed' | 'review';

type SettleDeps = Pick<RevocationDeps, 'feed' | 'participants'>;

interface Wanted {
  readonly document: MetadataDocument;
  readonly manifest: Manifest;
  readonly mode: DocumentMode;
}

/** Clients of documents in a tenant, and those of them that wait: anybody can make a tenant meet one more. */
const livingMax = 5_000;
const waitingMax = 100;

/**
 * Brings the client of a document to what the document says now: made when the tenant meets it first, changed by the rules
 * of every client, with evidence. A suspended one stays as it is. What was sent back by an operator is not approved by the
 * policy any more.
 * @throws Refusal `invalid_client` when it is retired; `rate_limited` when there are too many.
 */
export async function settleDocumentClient(
  tx: TenantTx,
  call: Call,
  { feed, participants }: SettleDeps,
  wanted: Wanted,
): Promise<void> {
  const client =
    (await lockClientByExternalId(tx, wanted.document.url.href)) ??
    (await createDocumentClient(tx, call, wanted)) ??
    // A parallel request was first; the insert has waited for it.
    (await lockClientByExternalId(tx, wanted.document.url.href));
  if (!client) throw new TypeError('a client that cannot be inserted is there');
  if (client.status === 'retired') throw new Refusal('invalid_client', 'client_id: the client was retired here');
  if (client.status === 'suspended') return;
  await changeDocumentClient(tx, call, { feed, participants }, { client, ...wanted });
}

/** Undefined when the URL is taken: by the same client, made in parallel. */
async function createDocumentClient(
  tx: TenantTx,
  call: Call,
  { document, manifest, mode }: Wanted,
): Promise<Client | undefined> {
  const { living, waiting } = await countDocumentClients(tx);
  if (living >= livingMax || (mode === 'review' && waiting >= waitingMax)) {
    throw new Refusal('rate_limited', 'client_id: too many clients of metadata documents wait or live here');
  }
  const { url } = document;
  const id = newId(call.runtime, 'cli');
  const own = { id, source: 'metadata_document', externalId: url.href, manifest: undefined } as const;
  for (const name of [nameOf(document), id]) {
    const named = { ...documentSubject, name, product: '' };
    const draft: Client = { ...newClient(call, named, manifest), ...own, status: 'draft', proposed: manifest };
    const client = { ...settled(submitted(draft, undefined, principalOf(id)), mode), version: 1 };
    if (!(await insertClient(tx, client, undefined))) continue;
    await append(tx, call, {
      type: 'client.created',
      object: { kind: 'client', id },
      detail: {
        ...{ kind: client.kind, name, environment: client.environment, manifest_hash: manifestHash(manifest) },
        ...{ source: own.source, url: url.href, submitted: true, approved_by_policy: mode === 'allowed' },
      },
    });
    return client;
  }
  return undefined;
}

/** With its host: what a document calls itself is only its own word. */
function nameOf({ name, url }: MetadataDocument): string {
  const host = url.host.slice(0, nameCharsMax - 3);
  if (name === undefined) return host;
  const room = nameCharsMax - host.length - 3;
  return room > 0 ? `${name.slice(0, room).trim()} (${host})` : host;
}

async function changeDocumentClient(
  tx: TenantTx,
  call: Call,
  { feed, participants }: SettleDeps,
  { client, document, manifest, mode }: Wanted & { readonly client: Client },
): Promise<void> {
  const isSentBack = client.proposed !== undefined && !client.proposedSubmitted;
  const effective = isSentBack ? 'review' : mode;
  const current = client.proposed ?? client.manifest;
  const isSame = current !== undefined && manifestHash(current) === manifestHash(manifest);
  if (isSame && (client.proposed === undefined || effective === 'review')) return;
  const version = client.version;
  const next = isSame ? client : updated(client, { version, manifest, ownerUserId: undefined });
  const asked = next.proposed ? submitted(next, undefined, principalOf(client.id)) : next;
  const after = { ...settled(asked, effective), version: version + 1 };
  await updateClientLife(tx, after, call.runtime.nowMs());
  await append(tx, call, {
    type: 'client.updated',
    object: { kind: 'client', id: client.id },
    detail: {
      ...{ version: after.version, url: document.url.href, submitted: after.proposedSubmitted },
      ...(after.manifest && { manifest_hash: manifestHash(after.manifest) }),
      ...(after.proposed && { proposed_hash: manifestHash(after.proposed) }),
      approved_by_policy: effective === 'allowed',
    },
  });
  if (!losesKey(client.manifest, after.manifest)) return;
  const target = { kind: 'client', id: client.id } as const;
  // What people have allowed it is refreshed by the key that has gone: they are asked anew.
  for (const { kind, apply } of participants) if (kind === 'grant') await apply(tx, call, target);
  const reason = 'the keys of its metadata document have changed';
  // Last: it holds the feed's head until the end of the transaction.
  await feed.append(tx, [{ kind: 'revocation', payload: { v: 1, id: newId(call.runtime, 'rev'), target, reason } }]);
}

/** The policy approves, in the name of the installation, what is submitted. */
function settled(client: Client, mode: DocumentMode): Client {
  if (mode === 'review' || !client.proposed) return client;
  return approved(client, manifestHash(client.proposed), 'system:platform');
}

/** Whether a credential that was good is not any more: whoever holds tokens of it may be somebody else (the draft's §8.4). */
function losesKey(before: Manifest | undefined, after: Manifest | undefined): boolean {
  if (!before || !after) return false;
  const kept = new Set(after.jwks.keys.map((key) => canonicalJson(key)));
  return (
    before.authMethod !== after.authMethod ||
    before.jwksUri !== after.jwksUri ||
    before.jwks.keys.some((key) => !kept.has(canonicalJson(key)))
  );
}
