import { concatBytes } from '@mono-auth/core/encoding';
import { type EventId, idFromUuid, type TenantId, uuidOf } from '@mono-auth/core/ids';
import type { PlatformTx, TenantTx } from '@mono-auth/database';
import { bigintArray, byteaArray, smallintArray, uuidArray } from '@mono-auth/database/binary-arrays';
import type { merkle } from '@mono-auth/log-engine';

/** The tree of the transaction's tenant. */
export interface TreeRow {
  readonly origin: string;
  readonly incarnation: number;
  readonly size: number;
  readonly frontier: readonly Uint8Array[];
  readonly note: string;
}

interface RawTree {
  origin: string;
  incarnation: string;
  size: string;
  frontier: Uint8Array;
  note: string;
}

const hashBytes = 32;

export async function readTree(tx: TenantTx): Promise<TreeRow | undefined> {
  const [row] = await tx.sql<RawTree>`select origin, incarnation, size, frontier, note from mono.audit_trees`;
  return row && toTree(row);
}

/** Reads the tree and holds its row until the transaction ends: who has it is the only sealer. */
export async function lockTree(tx: TenantTx): Promise<TreeRow | undefined> {
  const [row] = await tx.sql<RawTree>`
    select origin, incarnation, size, frontier, note from mono.audit_trees for update`;
  return row && toTree(row);
}

function toTree({ origin, incarnation, size, frontier, note }: RawTree): TreeRow {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < frontier.length; at += hashBytes) hashes.push(frontier.slice(at, at + hashBytes));
  return { origin, incarnation: Number(incarnation), size: Number(size), frontier: hashes, note };
}

/** Does nothing where the tree already is. */
export async function insertTree(tx: TenantTx, tree: TreeRow, nowMs: number): Promise<void> {
  await tx.sql`
    insert into mono.audit_trees (tenant_id, origin, incarnation, size, frontier, note, sealed_at)
    values (${uuidOf(tx.tenantId)}, ${tree.origin}, ${tree.incarnation}, ${tree.size},
      ${concatBytes(...tree.frontier)}, ${tree.note}, ${new Date(nowMs)})
    on conflict (tenant_id) do nothing`;
}

export async function updateTree(tx: TenantTx, tree: TreeRow, nowMs: number): Promise<void> {
  await tx.sql`
    update mono.audit_trees set size = ${tree.size}, frontier = ${concatBytes(...tree.frontier)}, note = ${tree.note},
      sealed_at = ${new Date(nowMs)}`;
}

export interface Unsealed {
  readonly id: EventId;
  readonly envelope: Uint8Array;
}

/** What is not in the tree yet, in the order in which it will be. */
export async function readUnsealed(tx: TenantTx, limit: number): Promise<Unsealed[]> {
  const rows = await tx.sql<{ id: string; envelope: Uint8Array }>`
    select id, envelope from mono.audit_events where sealed_seq is null order by occurred_at, id limit ${limit}`;
  return rows.map(({ id, envelope }) => ({ id: idFromUuid('evt', id), envelope }));
}

/** Gives the events the places from `firstIndex` on. */
export async function numberEvents(tx: TenantTx, firstIndex: number, ids: readonly EventId[]): Promise<void> {
  await tx.sql`
    update mono.audit_events as event set sealed_seq = ${firstIndex}::bigint + place.ordinal - 1
    from unnest(${uuidArray(ids)}::uuid[]) with ordinality as place (id, ordinal)
    where event.id = place.id and event.tenant_id = ${uuidOf(tx.tenantId)}`;
}

export async function insertNodes(tx: TenantTx, nodes: readonly merkle.TreeNode[]): Promise<void> {
  await tx.sql`
    insert into mono.audit_nodes (tenant_id, level, idx, hash)
    select ${uuidOf(tx.tenantId)}, level, idx, hash
    from unnest(${smallintArray(nodes.map(({ level }) => level))}::smallint[],
      ${bigintArray(nodes.map(({ index }) => index))}::bigint[],
      ${byteaArray(nodes.map(({ hash }) => hash))}::bytea[]) as node (level, idx, hash)`;
}

/** @throws Error when a node is missing: what is sealed is complete, so the database is broken. */
export async function readNodes(tx: TenantTx, nodes: readonly merkle.NodeRef[]): Promise<merkle.GetNode> {
  const rows = await tx.sql<{ level: number; idx: string; hash: Uint8Array }>`
    select node.level, node.idx, node.hash
    from unnest(${nodes.map(({ level }) => level)}::smallint[], ${nodes.map(({ index }) => index)}::bigint[])
      as wanted (level, idx)
    join mono.audit_nodes as node on node.level = wanted.level and node.idx = wanted.idx`;
  const hashes = new Map(rows.map(({ level, idx, hash }) => [`${level}/${idx}`, new Uint8Array(hash)]));
  return (level, index) => {
    const hash = hashes.get(`${level}/${index}`);
    if (!hash) throw new Error(`audit node ${level}/${index} is missing`);
    return hash;
  };
}

export interface StoredEvent {
  readonly id: EventId;
  readonly envelope: Uint8Array;
  /** Undefined while not sealed. */
  readonly leafIndex: number | undefined;
}

interface RawEvent {
  id: string;
  envelope: Uint8Array;
  sealed_seq: string | null;
}

const toEvent = ({ id, envelope, sealed_seq }: RawEvent): StoredEvent => ({
  id: idFromUuid('evt', id),
  envelope: new Uint8Array(envelope),
  leafIndex: sealed_seq === null ? undefined : Number(sealed_seq),
});

export async function findEvent(tx: TenantTx, id: EventId): Promise<StoredEvent | undefined> {
  const [row] = await tx.sql<RawEvent>`
    select id, envelope, sealed_seq from mono.audit_events where id = ${uuidOf(id)}`;
  return row && toEvent(row);
}

/** Newest first: ids are made in the order of time. */
export async function listEvents(
  tx: TenantTx,
  page: { before: EventId | undefined; type: string; limit: number },
): Promise<StoredEvent[]> {
  const before = page.before ? uuidOf(page.before) : null;
  const type = page.type === '' ? null : page.type;
  const rows = await tx.sql<RawEvent>`
    select id, envelope, sealed_seq from mono.audit_events
    where (${before}::uuid is null or id < ${before}) and (${type}::text is null or type = ${type})
    order by id desc limit ${page.limit}`;
  return rows.map(toEvent);
}

/** The events about these objects, the oldest first, of the types asked for. */
export async function selectEventsAbout(
  tx: TenantTx,
  objects: { readonly kind: string; readonly ids: readonly string[]; readonly types: readonly string[] },
): Promise<StoredEvent[]> {
  const { kind, ids, types } = objects;
  const rows = await tx.sql<RawEvent>`
    select id, envelope, sealed_seq from mono.audit_events
    where object_kind = ${kind} and object_id = any(${ids}::text[]) and type = any(${types}::text[]) order by id`;
  return rows.map(toEvent);
}

/** Whether the tenant's log has an event of this type about this object. */
export async function hasEvent(tx: TenantTx, type: string, objectId: string): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    select id from mono.audit_events where type = ${type} and object_id = ${objectId} limit 1`;
  return rows.length === 1;
}

/** Entries of the log with index in [from, to), in order. */
export async function readEntries(tx: TenantTx, from: number, to: number): Promise<Uint8Array[]> {
  const rows = await tx.sql<{ envelope: Uint8Array }>`
    select envelope from mono.audit_events where sealed_seq >= ${from} and sealed_seq < ${to} order by sealed_seq`;
  return rows.map(({ envelope }) => new Uint8Array(envelope));
}

export async function tenantsWithUnsealed(tx: PlatformTx, limit: number): Promise<TenantId[]> {
  const rows = await tx.sql<{ tenant_id: string }>`
    select distinct tenant_id from mono.audit_events where sealed_seq is null limit ${limit}`;
  return rows.map(({ tenant_id }) => idFromUuid('ten', tenant_id));
}
