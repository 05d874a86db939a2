import { idFromUuid, type SubscriberId, uuidOf } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { chain, cursor } from '@mono-auth/feed-engine';

interface RawHead {
  incarnation: string;
  seq: string;
  hash: Uint8Array;
}

const toPosition = ({ incarnation, seq, hash }: RawHead): cursor.FeedPosition => ({
  incarnation: Number(incarnation),
  seq: Number(seq),
  hash: new Uint8Array(hash),
});

export function readHead(tx: TenantTx): Promise<cursor.FeedPosition | undefined> {
  return tx.remembered('feed head', async () => {
    const [row] = await tx.sql<RawHead>`select incarnation, seq, hash from mono.feed_heads`;
    return row && toPosition(row);
  });
}

/** Reads the head and holds its row until the transaction ends: whoever has it gives out the next numbers. */
export async function lockHead(tx: TenantTx): Promise<cursor.FeedPosition | undefined> {
  const [row] = await tx.sql<RawHead>`select incarnation, seq, hash from mono.feed_heads for update`;
  return row && toPosition(row);
}

/** Does nothing where the feed already is. */
export async function insertHead(tx: TenantTx, head: cursor.FeedPosition): Promise<void> {
  await tx.sql`
    insert into mono.feed_heads (tenant_id, incarnation, seq, hash)
    values (${uuidOf(tx.tenantId)}, ${head.incarnation}, ${head.seq}, ${head.hash}) on conflict (tenant_id) do nothing`;
}

/** An entry with the chain's value after it. */
export type StoredEntry = chain.FeedEntry & { readonly hash: Uint8Array };

/** Appends the entries, in order, and moves the head to the last of them. */
export async function insertEntries(tx: TenantTx, entries: readonly StoredEntry[]): Promise<void> {
  await tx.sql`
    with entry as (
      select seq, kind, payload, created_at_ms, hash
      from unnest(${entries.map(({ seq }) => seq)}::bigint[], ${entries.map(({ kind }) => kind)}::text[],
        ${entries.map(({ payload }) => payload)}::bytea[], ${entries.map(({ createdAtMs }) => createdAtMs)}::bigint[],
        ${entries.map(({ hash }) => hash)}::bytea[]) as e (seq, kind, payload, created_at_ms, hash)
    ), moved as (
      update mono.feed_heads set (seq, hash) = (select seq, hash from entry order by seq desc limit 1)
    )
    insert into mono.feed_entries (tenant_id, seq, kind, payload, created_at_ms, hash)
    select ${uuidOf(tx.tenantId)}, seq, kind, payload, created_at_ms, hash from entry`;
}

interface RawEntry {
  seq: string;
  kind: string;
  payload: Uint8Array;
  created_at_ms: string;
  hash: Uint8Array;
}

const toEntry = (row: RawEntry): StoredEntry => ({
  seq: Number(row.seq),
  kind: row.kind,
  payload: new Uint8Array(row.payload),
  createdAtMs: Number(row.created_at_ms),
  hash: new Uint8Array(row.hash),
});

/** The entries after `seq`, in order. */
export async function readEntries(tx: TenantTx, seq: number, limit: number): Promise<StoredEntry[]> {
  const rows = await tx.sql<RawEntry>`
    select seq, kind, payload, created_at_ms, hash from mono.feed_entries where seq > ${seq} order by seq limit ${limit}`;
  return rows.map(toEntry);
}

/** When the entries were made, by their seq; those that are not there are left out. */
export async function readEntryTimes(tx: TenantTx, seqs: readonly number[]): Promise<Map<number, number>> {
  const rows = await tx.sql<{ seq: string; created_at_ms: string }>`
    select seq, created_at_ms from mono.feed_entries where seq = any(${seqs}::bigint[])`;
  return new Map(rows.map(({ seq, created_at_ms }) => [Number(seq), Number(created_at_ms)]));
}

export async function readEntryHash(tx: TenantTx, seq: number): Promise<Uint8Array | undefined> {
  const [row] = await tx.sql<{ hash: Uint8Array }>`select hash from mono.feed_entries where seq = ${seq}`;
  return row && new Uint8Array(row.hash);
}

/** A registered enforcement point. */
export interface SubscriberRow {
  readonly id: SubscriberId;
  readonly principal: Principal;
  readonly name: string;
  readonly leaseMs: number;
  readonly registeredAtMs: number;
  readonly sent: { readonly incarnation: number; readonly seq: number };
  readonly applied: { readonly incarnation: number; readonly seq: number };
  /** When it said so first; undefined when it has not said anything yet. */
  readonly appliedAtMs: number | undefined;
  /** When a nonce of it was last answered. */
  readonly lastHeadAtMs: number | undefined;
}

interface RawSubscriber {
  id: string;
  principal: Principal;
  name: string;
  lease_ms: number;
  registered_at: Date;
  sent_incarnation: string;
  sent_seq: string;
  applied_incarnation: string;
  applied_seq: string;
  applied_at: Date | null;
  last_head_at: Date | null;
}

const toSubscriber = (row: RawSubscriber): SubscriberRow => ({
  id: idFromUuid('sub', row.id),
  principal: row.principal,
  name: row.name,
  leaseMs: row.lease_ms,
  registeredAtMs: row.registered_at.getTime(),
  sent: { incarnation: Number(row.sent_incarnation), seq: Number(row.sent_seq) },
  applied: { incarnation: Number(row.applied_incarnation), seq: Number(row.applied_seq) },
  appliedAtMs: row.applied_at?.getTime(),
  lastHeadAtMs: row.last_head_at?.getTime(),
});

export async function findSubscriber(tx: TenantTx, id: SubscriberId): Promise<SubscriberRow | undefined> {
  const [row] = await tx.sql<RawSubscriber>`
    select id, principal, name, lease_ms, registered_at, sent_incarnation, sent_seq, applied_incarnation, applied_seq,
      applied_at, last_head_at
    from mono.feed_subscribers where id = ${uuidOf(id)}`;
  return row && toSubscriber(row);
}

export async function findSubscriberByName(
  tx: TenantTx,
  principal: Principal,
  name: string,
): Promise<SubscriberRow | undefined> {
  const [row] = await tx.sql<RawSubscriber>`
    select id, principal, name, lease_ms, registered_at, sent_incarnation, sent_seq, applied_incarnation, applied_seq,
      applied_at, last_head_at
    from mono.feed_subscribers where principal = ${principal} and name = ${name}`;
  return row && toSubscriber(row);
}

/** Newest first, as their ids are; all of them without a limit. */
export async function listSubscribers(
  tx: TenantTx,
  page: { before?: SubscriberId | undefined; limit?: number } = {},
): Promise<SubscriberRow[]> {
  const before = page.before ? uuidOf(page.before) : null;
  const rows = await tx.sql<RawSubscriber>`
    select id, principal, name, lease_ms, registered_at, sent_incarnation, sent_seq, applied_incarnation, applied_seq,
      applied_at, last_head_at
    from mono.feed_subscribers where ${before}::uuid is null or id < ${before} order by id desc limit ${page.limit}`;
  return rows.map(toSubscriber);
}

export async function countSubscribers(tx: TenantTx): Promise<number> {
  const [row] = await tx.sql<{ count: string }>`select count(id) as count from mono.feed_subscribers`;
  return Number(row?.count);
}

/** False when the principal already has one of this name. */
export async function insertSubscriber(
  tx: TenantTx,
  subscriber: Pick<SubscriberRow, 'id' | 'principal' | 'name' | 'leaseMs' | 'registeredAtMs'>,
  genesis: cursor.FeedPosition,
): Promise<boolean> {
  const { id, principal, name, leaseMs, registeredAtMs } = subscriber;
  const rows = await tx.sql<{ id: string }>`
    insert into mono.feed_subscribers (tenant_id, id, principal, name, lease_ms, registered_at, sent_incarnation,
      sent_seq, applied_incarnation, applied_seq, applied_hash)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(id)}, ${principal}, ${name}, ${leaseMs}, ${new Date(registeredAtMs)},
      ${genesis.incarnation}, 0, ${genesis.incarnation}, 0, ${genesis.hash})
    on conflict (tenant_id, principal, name) do nothing returning id`;
  return rows.length === 1;
}

/** Notes the highest entry that goes out to the subscriber; of another incarnation, anew. */
export async function markSent(
  tx: TenantTx,
  id: SubscriberId,
  sent: Pick<cursor.FeedPosition, 'incarnation' | 'seq'>,
): Promise<void> {
  await tx.sql`
    update mono.feed_subscribers set sent_incarnation = ${sent.incarnation}, sent_seq = ${sent.seq}
    where id = ${uuidOf(id)} and (sent_incarnation <> ${sent.incarnation} or sent_seq < ${sent.seq})`;
}

/** What a hub has not read yet. */
export interface News {
  readonly head: cursor.FeedPosition;
  readonly entries: readonly StoredEntry[];
  /** Those for whom it is noted that the entries go out to them. */
  readonly noted: ReadonlySet<SubscriberId>;
}

interface RawNews {
  head_incarnation: string;
  head_seq: string;
  head_hash: Uint8Array;
  left_out: string[] | null;
}

/**
 * Reads what stands after `known`, at most `limit` entries, and notes for `ids` that they are sent all of it: one statement,
 * so head and entries are of one moment. Who is being written to by another transaction at this moment is left out:
 * waiting would hold up all the others.
 *
 * The transaction then commits without waiting for the disk. What is read here was on it before anybody could see it, so
 * a crash of the database takes back nothing but the note; and a note that is too low believes less, never more: an
 * acknowledgement beyond it is refused, its subscriber begins a new stream where it stands, and that is noted first.
 * @returns undefined where the tenant's feed is not provisioned.
 */
export async function readAndNoteNews(
  tx: TenantTx,
  { incarnation, seq }: Pick<cursor.FeedPosition, 'incarnation' | 'seq'>,
  ids: readonly SubscriberId[],
  limit: number,
): Promise<News | undefined> {
  const rows = await tx.sql<RawNews & (RawEntry | { seq: null })>`
    with asked as (select unnest(${ids.map(uuidOf)}::uuid[]) as id),
    head as (select incarnation, seq, hash from mono.feed_heads),
    fresh as materialized (
      select e.seq, e.kind, e.payload, e.created_at_ms, e.hash from mono.feed_entries e
      where e.seq > ${seq} and ${incarnation}::bigint = (select incarnation from head) order by e.seq limit ${limit}
    ),
    sent as (select max(seq) as seq from fresh),
    live as (
      select id from mono.feed_subscribers
      where id in (select id from asked) and (select seq from sent) is not null for no key update skip locked
    ),
    noted as (
      update mono.feed_subscribers s set sent_incarnation = ${incarnation}, sent_seq =
        case when s.sent_incarnation = ${incarnation} then greatest(s.sent_seq, sent.seq) else sent.seq end
      from live, sent where s.id = live.id returning s.id
    )
    select head.incarnation as head_incarnation, head.seq as head_seq, head.hash as head_hash,
      fresh.seq, fresh.kind, fresh.payload, fresh.created_at_ms, fresh.hash,
      case when fresh.seq = (select seq from sent) then
        array(select id from asked except select id from noted)::text[] end as left_out,
      set_config('synchronous_commit', 'off', true) as committing
    from head left join fresh on true order by fresh.seq`;
  const [first] = rows;
  if (!first) return undefined;
  const { head_incarnation, head_seq, head_hash } = first;
  const entries = rows.flatMap((row) => (row.seq === null ? [] : [toEntry(row)]));
  const leftOut = new Set(rows.at(-1)?.left_out?.map((id) => idFromUuid('sub', id)));
  return {
    head: toPosition({ incarnation: head_incarnation, seq: head_seq, hash: head_hash }),
    entries,
    noted: new Set(entries.length === 0 ? [] : ids.filter((id) => !leftOut.has(id))),
  };
}

/** Notes what the subscriber has applied, and when it said so first. An older position changes nothing. */
export async function markApplied(
  tx: TenantTx,
  id: SubscriberId,
  applied: cursor.FeedPosition,
  nowMs: number,
): Promise<boolean> {
  const { incarnation, seq, hash } = applied;
  const advanced = await tx.sql<{ id: string }>`
    update mono.feed_subscribers set applied_incarnation = ${incarnation}, applied_seq = ${seq}, applied_hash = ${hash},
      applied_at = ${new Date(nowMs)}
    where id = ${uuidOf(id)} and (applied_at is null or applied_incarnation <> ${incarnation} or applied_seq < ${seq})
    returning id`;
  if (advanced.length === 0) return false;
  await tx.sql`
    insert into mono.feed_applied_marks (tenant_id, subscriber_id, incarnation, seq, applied_at)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(id)}, ${incarnation}, ${seq}, ${new Date(nowMs)})
    on conflict (tenant_id, subscriber_id, incarnation, seq) do nothing`;
  return true;
}

/** Notes that a nonce is being answered. Written before the answer leaves. */
export async function markHeadAnswered(tx: TenantTx, id: SubscriberId, nowMs: number): Promise<void> {
  await tx.sql`update mono.feed_subscribers set last_head_at = ${new Date(nowMs)} where id = ${uuidOf(id)}`;
}

/** For each subscriber that has applied entry `seq`: its first acknowledgement that covers it. */
export async function firstMarksCovering(
  tx: TenantTx,
  incarnation: number,
  seq: number,
): Promise<Map<SubscriberId, { seq: number; atMs: number }>> {
  const rows = await tx.sql<{ subscriber_id: string; seq: string; applied_at: Date }>`
    select distinct on (subscriber_id) subscriber_id, seq, applied_at from mono.feed_applied_marks
    where incarnation = ${incarnation} and seq >= ${seq} order by subscriber_id, seq`;
  return new Map(
    rows.map((row) => [idFromUuid('sub', row.subscriber_id), { seq: Number(row.seq), atMs: row.applied_at.getTime() }]),
  );
}
