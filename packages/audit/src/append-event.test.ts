import { fromBinary } from '@bufbuild/protobuf';
import { Refusal } from '@mono-auth/core/errors';
import { newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import type { Actor, Call, Caller } from '@mono-auth/core/principal';
import { EventSchema, Outcome } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { append, recordDenial, unsealedTenants } from './index.ts';
import { findEvent, listEvents } from './store.ts';

const runtime = new FakeRuntime();
let db: TestDatabase;
let acme: TenantId;
let globex: TenantId;

beforeAll(async () => {
  db = await openTestDatabase();
  acme = await db.createTenantRow('acme');
  globex = await db.createTenantRow('globex');
});
afterAll(() => db.close());

const user = `user:${newId(runtime, 'usr')}` as const;
const agent = `agent:${newId(runtime, 'agt')}` as const;
const host = `host:${newId(runtime, 'hst')}` as const;

function callOfTenant(tenantId: TenantId, act?: Actor): Call {
  const caller: Caller = {
    principal: user,
    tenantId,
    tenantSlug: 'acme',
    tenantRole: 'owner',
    scope: new Set(['audit:read']),
    tokenId: newId(runtime, 'tok'),
    sessionId: undefined,
    clientId: undefined,
    act,
    requestId: newId(runtime, 'req'),
    ip: '192.0.2.7',
  };
  return { runtime, caller };
}

const object = { kind: 'host', id: 'hst_1' };

async function readEvent(tenantId: TenantId, id: Awaited<ReturnType<typeof append>>) {
  const stored = await db.database.forTenant(tenantId, (tx) => findEvent(tx, id));
  return stored && fromBinary(EventSchema, stored.envelope);
}

test('the envelope names the outermost actor, the chain behind it, and the person they act for', async () => {
  const call = callOfTenant(acme, { sub: agent, act: { sub: host } });
  const id = await db.database.forTenant(acme, (tx) =>
    append(tx, call, { type: 'host.enrolled', object, detail: { zone: 'b', attempt: 2, 'a key': true } }),
  );
  const event = await readEvent(acme, id);
  expect(event).toMatchObject({
    envelopeVersion: 1,
    id,
    tenantId: acme,
    type: 'host.enrolled',
    outcome: Outcome.SUCCESS,
    actor: agent,
    actorChain: [host],
    subject: user,
    objectKind: 'host',
    objectId: 'hst_1',
    requestId: call.caller.requestId,
    tokenId: call.caller.tokenId,
    ip: '192.0.2.7',
    detailJson: '{"a key":true,"attempt":2,"zone":"b"}',
  });
  const [row] = await db.admin<{ actor: string; type: string; occurred_at: Date }>(
    'select actor, type, occurred_at from mono.audit_events where id = $1',
    [uuidOf(id)],
  );
  expect(row).toEqual({ actor: agent, type: 'host.enrolled', occurred_at: new Date(runtime.nowMs()) });
});

test('who acts for nobody else has no subject beside the actor', async () => {
  const id = await db.database.forTenant(acme, (tx) =>
    append(tx, callOfTenant(acme), { type: 'host.removed', object }),
  );
  expect(await readEvent(acme, id)).toMatchObject({ actor: user, actorChain: [], subject: '', detailJson: '' });
});

test('an event is kept if and only if its transaction is', async () => {
  let id: Awaited<ReturnType<typeof append>> | undefined;
  const failed = db.database.forTenant(acme, async (tx) => {
    id = await append(tx, callOfTenant(acme), { type: 'host.removed', object });
    throw new Refusal('denied', 'changed my mind');
  });
  await expect(failed).rejects.toThrow('changed my mind');
  expect(id && (await readEvent(acme, id))).toBeUndefined();
});

test('what cannot be written refuses the whole change as audit_unavailable', async () => {
  const written = db.database.forTenant(acme, (tx) =>
    // Postgres text holds no NUL.
    append(tx, callOfTenant(acme), { type: 'host.removed', object: { kind: 'host', id: '\u0000' } }),
  );
  await expect(written).rejects.toMatchObject({ reason: 'audit_unavailable' });
  const tooLong = db.database.forTenant(acme, (tx) =>
    append(tx, callOfTenant(acme), { type: 'host.removed', object, detail: { text: 'x'.repeat(70_000) } }),
  );
  await expect(tooLong).rejects.toMatchObject({ reason: 'too_large' });
});

test('a call of one tenant cannot write into the log of another', async () => {
  const crossed = db.database.forTenant(globex, (tx) =>
    append(tx, callOfTenant(acme), { type: 'host.removed', object }),
  );
  await expect(crossed).rejects.toThrow(TypeError);
});

test('another tenant sees no event, by list or by id', async () => {
  const id = await db.database.forTenant(acme, (tx) =>
    append(tx, callOfTenant(acme), { type: 'host.removed', object }),
  );
  expect(await readEvent(globex, id)).toBeUndefined();
  const page = { before: undefined, type: '', limit: 10 };
  expect(await db.database.forTenant(globex, (tx) => listEvents(tx, page))).toEqual([]);
});

test('a refused call is recorded for the tenant that was spoken to, and nowhere when none is known', async () => {
  const quiet = await db.createTenantRow('quiet');
  const refusal = new Refusal('not_authenticated', 'a bearer token is needed');
  const ingress = { requestId: newId(runtime, 'req'), ip: '192.0.2.9', tenant: { id: quiet, slug: 'quiet' } };
  const denial = { caller: undefined, method: 'monoauth.audit.v1.AuditService/ListEvents', permission: 'audit:read' };
  const before = await db.admin('select id from mono.audit_events');
  await recordDenial(db.database, runtime, { ...denial, refusal, ingress: { ...ingress, tenant: undefined } });
  expect(await db.admin('select id from mono.audit_events')).toEqual(before);

  await recordDenial(db.database, runtime, { ...denial, refusal, ingress });
  const page = { before: undefined, type: 'access.refused', limit: 10 };
  const [stored] = await db.database.forTenant(quiet, (tx) => listEvents(tx, page));
  expect(stored && fromBinary(EventSchema, stored.envelope)).toMatchObject({
    type: 'access.refused',
    outcome: Outcome.DENIED,
    reason: 'not_authenticated',
    actor: 'anonymous:',
    objectKind: 'rpc',
    objectId: denial.method,
    ip: '192.0.2.9',
    detailJson: '{"permission":"audit:read"}',
  });
});

test('a refused call of a known caller is recorded in the tenant of the caller', async () => {
  const home = await db.createTenantRow('home');
  const { caller } = callOfTenant(home);
  const ingress = { requestId: caller.requestId, ip: '', tenant: { id: home, slug: 'home' } };
  const refusal = new Refusal('denied', 'this method needs the permission audit:read');
  const denial = { ingress, caller, method: 'monoauth.audit.v1.AuditService/ListEvents', permission: 'audit:read' };
  await recordDenial(db.database, runtime, { ...denial, refusal });
  const page = { before: undefined, type: '', limit: 10 };
  const [stored] = await db.database.forTenant(home, (tx) => listEvents(tx, page));
  expect(stored && fromBinary(EventSchema, stored.envelope)).toMatchObject({ actor: user, reason: 'denied' });
});

/** Runs a statement as one of the logins: grants and policies bind it as they bind that login's pool. */
const as = (login: string, statement: string) => db.admin(`do $$ begin set local role ${login}; ${statement}; end $$`);

test('the audit writer inserts and reads nothing, the platform reads ids and nothing else', async () => {
  await expect(as('mono_audit_writer', 'perform id from mono.audit_events')).rejects.toThrow(/permission denied/);
  await expect(as('mono_audit_writer', 'delete from mono.audit_events')).rejects.toThrow(/permission denied/);
  await expect(as('mono_platform', 'perform envelope from mono.audit_events')).rejects.toThrow(/permission denied/);
  expect(await unsealedTenants(db.database)).toContain(acme);
});
