import { type JsonObject, toJsonString } from '@bufbuild/protobuf';
import { idFromUuid, newId, uuidOf } from '@mono-auth/core/ids';
import { type Permission, permissionsOf } from '@mono-auth/core/permissions';
import { systemRuntime } from '@mono-auth/core/runtime';
import { platformSlug } from '@mono-auth/core/tenant-slug';
import { type Access, Scope } from '@mono-auth/proto/monoauth/access/v1/access';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { accessOf } from '@mono-auth/transport';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Installation, openInstallation } from './installation.ts';
import { isolationRows } from './isolation-rows.ts';
import { callRpc, type Rpc, readableText, readRpcs, refusalOf } from './rpc-methods.ts';
import { type Handles, openTenantScene, type TenantScene } from './tenant-scene.ts';

const rpcs = await readRpcs();
/** The rows of a table test: the RPCs for which `holds`, by name. */
const those = (holds: (rpc: Rpc) => boolean = () => true) => rpcs.filter(holds).map((rpc) => [rpc.name, rpc] as const);
const inside = ({ method }: Rpc) => accessOf(method)?.scope !== Scope.PLATFORM;
const withToken = ({ method }: Rpc) => accessOf(method)?.scope !== Scope.PUBLIC;
const withPermission = ({ method }: Rpc) => accessOf(method)?.permission !== '';
/** Every permission of a tenant's owner. */
const tenantPermissions = permissionsOf('owner', false);

let db: TestDatabase;
let installation: Installation;
/** The tenant that nothing may be learnt of, and the one whose owner tries. */
let there: TenantScene;
let here: TenantScene;
/** Of the platform, with every permission that there is. */
let operatorToken: string;
let platformIssuer: string;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  there = await openTenantScene(installation, 'quokka');
  here = await openTenantScene(installation, 'wombat');
  const operator = await installation.signIn(platformSlug);
  operatorToken = await operator.token();
  platformIssuer = operator.issuer;
});
afterAll(async () => {
  await installation?.close();
  await db?.close();
});

function declaredOf({ method }: Rpc): Access {
  const declared = accessOf(method);
  if (!declared) throw new Error('declares no access');
  return declared;
}

function rowOf({ name }: Rpc) {
  const row = isolationRows[name];
  if (!row) throw new Error(`${name} has no row in isolation-rows.ts: say how tenants are kept apart in it`);
  return row;
}

/** Who may call it inside a tenant: its owner; for a public one, anybody. */
function tokenFor(rpc: Rpc, scene: TenantScene): string | undefined {
  return declaredOf(rpc).scope === Scope.PUBLIC ? undefined : scene.ownerToken;
}

/** The same handles, of things that never were. */
async function neverWere(): Promise<Handles> {
  const tenantId = newId(systemRuntime, 'ten');
  const issuer = there.issuer.replace('quokka', 'nobody');
  const claims = { iss: issuer, aud: issuer, tenant_id: tenantId };
  const token = (typ: string) => there.host.client.key.sign(typ, claims);
  return {
    host: newId(systemRuntime, 'hst'),
    agent: newId(systemRuntime, 'agt'),
    client: newId(systemRuntime, 'cli'),
    app: newId(systemRuntime, 'cli'),
    secret: newId(systemRuntime, 'sec'),
    resource: 'https://orders.nobody.example',
    registrationToken: newId(systemRuntime, 'iat'),
    consent: newId(systemRuntime, 'gra'),
    trustedIssuer: newId(systemRuntime, 'gra'),
    linkedSubject: newId(systemRuntime, 'gra'),
    resourceServer: newId(systemRuntime, 'gra'),
    product: 'product-of-nobody',
    assignment: newId(systemRuntime, 'gra'),
    invite: newId(systemRuntime, 'inv'),
    subscriber: newId(systemRuntime, 'sub'),
    revocation: newId(systemRuntime, 'rev'),
    session: newId(systemRuntime, 'ses'),
    token: newId(systemRuntime, 'tok'),
    user: newId(systemRuntime, 'usr'),
    event: newId(systemRuntime, 'evt'),
    key: newId(systemRuntime, 'key'),
    inviteToken: await token('mono-invite+jwt'),
    joinState: await token('mono-join+jwt'),
    accessToken: await token('at+jwt'),
  };
}

/** Every row of a tenant in every table that has tenants, as text. */
async function rowsOf({ tenantId }: Pick<TenantScene, 'tenantId'>): Promise<string[]> {
  const tables = await db.admin<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
     where n.nspname in ('mono', 'identity') and c.relkind in ('r', 'p') and not c.relispartition and a.attname = 'tenant_id'
     order by 1`,
  );
  const each = tables.map(
    ({ name }) => `select '${name}' || to_jsonb(t)::text as row from ${name} t where t.tenant_id = $1`,
  );
  const rows = await db.admin<{ row: string }>(`${each.join(' union all ')} order by 1`, [uuidOf(tenantId)]);
  return rows.map(({ row }) => row);
}

const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const wireId = /(?<=\b[a-z]{3}_)[0-9a-hjkmnp-tv-z]{26}/g;

/** What an answer can give a tenant away by: its names, and each id that stands in a row of its own, in both forms. */
async function marksOf(scene: TenantScene, other: TenantScene): Promise<string[]> {
  const text = (await rowsOf(scene)).join('\n');
  const ids = [...(text.match(uuid) ?? [])].flatMap((id) => [id, idFromUuid('ten', id).slice('ten_'.length)]);
  const theirs = (await rowsOf(other)).join('\n');
  const own = [...ids, ...(text.match(wireId) ?? [])].filter((id) => !theirs.includes(id));
  return [...new Set([scene.slug, ...own])];
}

test('two tenants have the same names and not one id in common', async () => {
  const [mine, theirs] = [Object.values(here.handles), Object.values(there.handles)];
  expect([...mine, ...theirs].filter((handle) => handle === '')).toEqual([]);
  expect(mine.filter((handle) => theirs.includes(handle))).toEqual([]);
  expect((await marksOf(there, here)).length).toBeGreaterThan(40);
});

test('the table has a row for every RPC of the contract and for no other', () => {
  expect(rpcs.length).toBeGreaterThan(30);
  expect(Object.keys(isolationRows).sort()).toEqual(rpcs.map(({ name }) => name).sort());
});

describe('nothing of another tenant is reached', () => {
  let before: string[];
  let marks: string[];
  beforeAll(async () => {
    // The tenant's own gateway acknowledges every second: a row of it that changes by itself.
    await installation.revocations.close();
    before = await rowsOf(there);
    marks = await marksOf(there, here);
  });

  const named = those(({ name }) => isolationRows[name]?.foreign !== undefined);

  test.each(named)('%s refuses what is not there and what is another tenant’s alike', async (_, rpc) => {
    const { foreign = () => [], refusedAs = 'not_found' } = rowOf(rpc);
    const [real, ghosts] = [await foreign(there.handles, here), await foreign(await neverWere(), here)];
    expect(real.length).toBeGreaterThan(0);
    for (const [index, message] of real.entries()) {
      const refused = await refusalOf(callRpc(rpc, here.issuer, message, tokenFor(rpc, here)));
      const never = await refusalOf(callRpc(rpc, here.issuer, ghosts[index] as JsonObject, tokenFor(rpc, here)));
      expect(refused).toEqual(never);
      expect(refused.reason).toBe(refusedAs);
    }
  });

  test.each(those(inside))('%s answers without a word of another tenant', async (_, rpc) => {
    const row = rowOf(rpc);
    for (const message of [await row.own(here), ...(row.silent?.(there) ?? [])]) {
      const answer = readableText(await callRpc(rpc, here.issuer, message, tokenFor(rpc, here)));
      expect(marks.filter((mark) => answer.includes(mark))).toEqual([]);
    }
  });

  test.each(those(withToken))('%s takes no token of another tenant', async (_, rpc) => {
    const message = await rowOf(rpc).own(here);
    expect((await refusalOf(callRpc(rpc, here.issuer, message, there.ownerToken))).reason).toBe('not_found');
  });

  test('and not one row of it has changed', async () => {
    expect(await rowsOf(there)).toEqual(before);
  });
});

describe('access is what the contract declares', () => {
  const narrowed = new Map<Permission, Promise<string>>();
  /** A token of the tenant's owner that carries every permission but one. */
  const tokenWithout = (permission: Permission) => {
    const scope = tenantPermissions.filter((other) => other !== permission).join(' ');
    const token = narrowed.get(permission) ?? here.owner.token({ scope });
    narrowed.set(permission, token);
    return token;
  };

  test.each(those())('%s declares its access', (_, rpc) => {
    const { scope, permission } = declaredOf(rpc);
    expect([Scope.TENANT, Scope.PLATFORM, Scope.PUBLIC, Scope.AUTHENTICATED]).toContain(scope);
    expect(permission === '').toBe(scope === Scope.PUBLIC || scope === Scope.AUTHENTICATED);
  });

  test('whoever has a token may call what shows by itself what they may see, and that is one method', () => {
    const open = rpcs.filter(({ method }) => accessOf(method)?.scope === Scope.AUTHENTICATED);
    expect(open.map(({ name }) => name)).toEqual(['monoauth.tokens.v1.TokenService/Explain']);
  });

  test.each(those(withToken))('%s is refused without a good token', async (_, rpc) => {
    for (const token of [undefined, 'not-a-token', here.ownerToken.slice(0, -4)]) {
      expect((await refusalOf(callRpc(rpc, here.issuer, {}, token))).reason).toBe('not_authenticated');
    }
  });

  test.each(those((rpc) => inside(rpc) && withPermission(rpc)))(
    '%s is denied without its permission',
    async (_, rpc) => {
      const token = await tokenWithout(declaredOf(rpc).permission as Permission);
      expect((await refusalOf(callRpc(rpc, here.issuer, await rowOf(rpc).own(here), token))).reason).toBe('denied');
    },
  );

  test.each(those((rpc) => !inside(rpc)))('%s is the platform’s: a tenant’s owner is denied', async (_, rpc) => {
    const message = await rowOf(rpc).own(here);
    expect((await refusalOf(callRpc(rpc, here.issuer, message, here.ownerToken))).reason).toBe('denied');
  });
});

describe('what is done is on record', () => {
  async function eventsOf(tenantId: string, type: string): Promise<number> {
    const [row] = await db.admin<{ count: string }>(
      'select count(*) as count from mono.audit_events where tenant_id = $1 and type = $2 and outcome = 1',
      [tenantId, type],
    );
    return Number(row?.count);
  }

  test.each(those())('%s succeeds, and writes the audit event that it declares', async (_, rpc) => {
    const { scope, auditEvent } = declaredOf(rpc);
    const row = rowOf(rpc);
    const ofPlatform = scope === Scope.PLATFORM;
    const platform = await installation.controlPlane.tenants.bySlug(platformSlug);
    const tenantId = uuidOf(ofPlatform && platform ? platform.id : there.tenantId);
    const message = await row.own(there);
    const before = await eventsOf(tenantId, auditEvent);
    const token = ofPlatform ? operatorToken : tokenFor(rpc, there);
    const answer = await callRpc(rpc, ofPlatform ? platformIssuer : there.issuer, message, token);
    const text = readableText(answer);
    if (auditEvent !== '') expect(await eventsOf(tenantId, auditEvent)).toBe(before + 1);
    const found = (await marksOf(there, here)).filter((mark) => text.includes(mark));
    if (row.shows) expect(found, toJsonString(rpc.method.output, answer)).not.toEqual([]);
  });
});
