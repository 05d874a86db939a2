import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import { newId, type UserId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { checkRepetition, type KeyedRequest, keyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import { applyApproval } from './approve-client.ts';
import { checkManifest } from './check-manifest.ts';
import type { Client, ClientKind } from './client.ts';
import { readName } from './client-fields.ts';
import { submitted } from './client-life.ts';
import type { Environment, Manifest } from './manifest.ts';
import { canonicalJson, manifestHash } from './manifest-hash.ts';
import { type ManifestInput, readManifest } from './read-manifest.ts';
import { requireOwner } from './require-client.ts';
import { readOwnResource } from './resources/claim-resource.ts';
import { makeFirstSecret } from './secrets/first-secret.ts';
import { insertClient, selectClientByIdempotencyKey } from './store.ts';

export interface CreateClientInput {
  readonly kind: 'machine' | 'service' | 'app';
  readonly name: string;
  /** Short form of the manifest's: only without one. */
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly jwks?: unknown;
  readonly manifest?: ManifestInput | undefined;
  /** Only for a service. */
  readonly resource?: string | undefined;
  /** Default: production. */
  readonly environment?: Environment | undefined;
  readonly product?: string | undefined;
  readonly ownerUserId?: UserId | undefined;
  readonly submit?: boolean | undefined;
  /** Submits as well. The caller needs `clients:approve`. */
  readonly approve?: boolean | undefined;
  readonly idempotencyKey?: string | undefined;
  /** Of the installation: resources below its tenants belong to us. */
  readonly baseUrl: string;
}

export interface CreatedClient {
  readonly client: Client;
  /** Its first secret where it authenticates by one: shown now and never again, not to a repetition either. */
  readonly secret: string | undefined;
}

/**
 * Makes a client as a draft, which gets no token, and submits or approves it where that is asked for; a repeated idempotency
 * key answers the first one as it is by now.
 * @throws Refusal `denied` for an approval without the permission; `invalid_request`, `invalid_redirect_uri`,
 * `invalid_client_metadata`, `invalid_scope` or `invalid_target` naming the field, `invalid_request` for the key as well when
 * it was used for another client; `not_found` (user); `already_exists` when the name or the resource is taken.
 */
export async function createClient(tx: TenantTx, call: Call, input: CreateClientInput): Promise<CreatedClient> {
  if (input.approve && !call.caller.scope.has('clients:approve')) {
    throw new Refusal('denied', 'approve: needs the permission clients:approve');
  }
  const draft = draftOf(call, input);
  const request = requestOf(draft, input);
  const first = await findFirst(tx, draft, request);
  if (first) return { client: first, secret: undefined };
  await checkManifest(tx, call, draft, draft.proposed, input.baseUrl);
  await readOwnResource(tx, draft, input.baseUrl);
  const ownerUserId = await requireOwner(tx, call, input.ownerUserId);
  const owned = { ...draft, ownerUserId };
  const asked = input.submit || input.approve ? submitted(owned, undefined, call.caller.principal) : owned;
  // One row from the beginning: version 1, whatever was asked for at once.
  const client = { ...asked, version: 1 };
  if (!(await insertClient(tx, client, request))) {
    // A parallel repetition was first; the insert has waited for it.
    const parallel = await findFirst(tx, draft, request);
    if (parallel) return { client: parallel, secret: undefined };
    throw new Refusal('already_exists', 'a client of this name or for this resource exists');
  }
  const secret = await makeFirstSecret(tx, call, client.id, draft.proposed.authMethod);
  await append(tx, call, {
    type: 'client.created',
    object: { kind: 'client', id: client.id },
    detail: {
      kind: client.kind,
      name: client.name,
      environment: client.environment,
      manifest_hash: manifestHash(draft.proposed),
      submitted: client.proposedSubmitted,
      ...(client.resource !== undefined && { resource: client.resource }),
    },
  });
  if (!input.approve) return { client, secret };
  return { client: await applyApproval(tx, call, client, manifestHash(draft.proposed)), secret };
}

type Draft = Client & { readonly proposed: Manifest };

function draftOf(call: Call, input: CreateClientInput): Draft {
  const environment = input.environment ?? 'production';
  const { kind, scopes, audiences, jwks } = input;
  const isShort = scopes.length > 0 || audiences.length > 0 || jwks !== undefined;
  if (input.manifest && isShort) {
    throw new Refusal('invalid_request', 'manifest: not beside scopes, audiences or jwks, its short form');
  }
  const proposed = input.manifest
    ? readManifest(input.manifest, { kind, environment }, 'manifest.')
    : readManifest({ scopes, audiences, jwks }, { kind, environment }, '');
  if (kind !== 'service' && input.resource) throw new Refusal('invalid_request', 'resource: only a service is one');
  return {
    ...newClient(call, { kind, name: input.name, environment, product: input.product ?? '' }, proposed),
    status: 'draft',
    manifest: undefined,
    proposed,
    resource: kind === 'service' ? (input.resource ?? '') : undefined,
  };
}

/** An approved client that is not stored yet. */
export function newClient(
  call: Call,
  about: { kind: ClientKind; name: string; environment: Environment; product: string },
  manifest: Manifest,
): Client {
  return {
    id: newId(call.runtime, 'cli'),
    ...about,
    name: readName(about.name, 'name'),
    status: 'approved',
    ownerUserId: undefined,
    source: 'operator',
    externalId: undefined,
    manifest,
    proposed: undefined,
    proposedSubmitted: false,
    submittedBy: undefined,
    approvedBy: undefined,
    version: 1,
    scopes: manifest.scopes,
    audiences: manifest.audiences,
    resource: undefined,
    jwks: manifest.jwks,
    hostId: undefined,
    createdAtMs: call.runtime.nowMs(),
  };
}

function requestOf(draft: Draft, input: CreateClientInput): KeyedRequest | undefined {
  return keyedRequest(input.idempotencyKey || undefined, {
    kind: draft.kind,
    name: draft.name,
    environment: draft.environment,
    product: draft.product,
    manifest: canonicalJson(draft.proposed),
    resource: draft.resource ?? '',
    owner: input.ownerUserId ?? '',
    ask: input.approve ? 'approve' : input.submit ? 'submit' : '',
  });
}

/** The client that this key has made. @throws Refusal `invalid_request` when another one was asked for. */
async function findFirst(tx: TenantTx, draft: Draft, request: KeyedRequest | undefined): Promise<Client | undefined> {
  const first = request && (await selectClientByIdempotencyKey(tx, request.key));
  if (!first) return undefined;
  const { client, requestDigest } = first;
  checkRepetition(request, requestDigest, 'client', () => looksAlike(client, draft));
  return client;
}

/** Rows of an earlier release were approved as they were asked for. */
function looksAlike(first: Client, asked: Draft): boolean {
  const wanted = ({ kind, name, scopes, audiences, resource, jwks }: Client) =>
    canonicalJson({ kind, name, scopes, audiences, resource, jwks });
  return wanted(first) === wanted(asked);
}
