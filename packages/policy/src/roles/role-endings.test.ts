import { type GrantId, type HostId, newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { selectProduct } from '../store/products.ts';
import { roleParticipant } from './role-participant.ts';
import { editor, type RoleScene, roleScene, viewer } from './role-scene.ts';

const runtime = new FakeRuntime();
let db: TestDatabase;
let scene: RoleScene;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = roleScene({ ...db, runtime });
});
afterAll(() => db.close());

const person = (): Principal => `user:${newId(runtime, 'usr')}`;
const agent = (): Principal => `agent:${newId(runtime, 'agt')}`;
const service = (): Principal => `service:${newId(runtime, 'cli')}`;

describe('what takes access away is in the feed, with its row and its evidence', () => {
  test('a role that is removed: its own handle, once', async () => {
    const place = await scene.openRegistered();
    const ada = person();
    const { id } = await place.assign({ principal: ada });
    const ended = await scene.fed(() => place.remove(id));
    expect(ended).toEqual([['revocation', 'grant', id]]);
    expect(await place.access(ada)).toMatchObject({ roles: [], handles: [] });
    expect(await scene.fed(async () => expect((await place.remove(id)).endedAtMs).toBeDefined())).toEqual([]);
    expect(await eventsOf(place.tenantId, 'role.removed')).toBe(1);
  });

  test('a role with less in it, or none, or a resource given up: the edition, which every token that tells of roles carries', async () => {
    const place = await scene.openRegistered();
    const ada = person();
    await place.assign({ principal: ada });
    let basedOn = 1;
    const edition = async () => (await place.run((tx) => selectProduct(tx, 'docs')))?.edition as GrantId;
    for (const input of [{ roles: [viewer, { ...editor, permissions: ['doc:write'] }] }, { roles: [viewer] }]) {
      const before = await edition();
      expect((await place.access(ada))?.handles).toContain(before);
      expect(await scene.fed(() => place.register({ ...input, basedOn }))).toEqual([['revocation', 'grant', before]]);
      expect((await place.access(ada))?.handles).not.toContain(before);
      basedOn += 1;
    }
    const before = await edition();
    const ended = await scene.fed(() => place.register({ roles: [viewer], resources: [], basedOn }));
    expect(ended).toEqual([['revocation', 'grant', before]]);
    expect(await place.access(ada)).toBeUndefined();
  });

  test('more in a role ends nothing, and the next token tells of it', async () => {
    const place = await scene.openRegistered();
    const ada = person();
    await place.assign({ principal: ada });
    const roles = [{ ...viewer, permissions: ['doc:read', 'doc:list'] }, editor];
    expect(await scene.fed(() => place.register({ roles, basedOn: 1 }))).toEqual([]);
    expect(await place.access(ada)).toMatchObject({ permissions: ['doc:list', 'doc:read'] });
  });

  test('a role that a product has no more ends with its assignments: they do not come back with its name', async () => {
    const place = await scene.openRegistered();
    const ada = person();
    await place.assign({ principal: ada, role: 'editor' });
    await place.register({ roles: [viewer], basedOn: 1 });
    await place.register({ roles: [viewer, editor], basedOn: 2 });
    expect(await place.access(ada)).toMatchObject({ roles: [], permissions: [] });
  });

  test('whoever is gone for good takes their roles along; a person who is signed out keeps theirs', async () => {
    const place = await scene.openRegistered();
    const [ada, lone, hosted, shop] = [person(), agent(), agent(), service()];
    const hostId = newId(runtime, 'hst') as HostId;
    const agentsOf = async (_tx: TenantTx, id: HostId) => (id === hostId ? [idOf(hosted, 'agt')] : []);
    const participant = roleParticipant({ runtime, agentsOf });
    for (const principal of [ada, lone, hosted, shop]) await place.assign({ principal });
    const apply = (kind: string, id: string) =>
      place.run(async (tx, call) => {
        const target = { kind, id } as Parameters<typeof participant.apply>[2];
        const preview = await participant.preview(tx, target);
        expect(await participant.apply(tx, call, target)).toEqual(preview);
        return preview.map(({ count }) => count);
      });
    expect(await apply('user', idOf(ada, 'usr'))).toEqual([]);
    expect(await apply('agent', idOf(lone, 'agt'))).toEqual([1]);
    expect(await apply('agent', idOf(lone, 'agt'))).toEqual([]);
    expect(await apply('host', newId(runtime, 'hst'))).toEqual([]);
    expect(await apply('host', hostId)).toEqual([1]);
    expect(await apply('client', idOf(shop, 'cli'))).toEqual([1]);
    const [left] = await place.living();
    expect([left?.principal, await apply('grant', left?.id as string)]).toEqual([ada, [1]]);
    expect(await apply('grant', newId(runtime, 'gra'))).toEqual([]);
  });
});

function idOf<K extends 'usr' | 'agt' | 'cli'>(principal: Principal, _kind: K) {
  return principal.slice(principal.indexOf(':') + 1) as ReturnType<typeof newId<K>>;
}

async function eventsOf(tenantId: TenantId, type: string): Promise<number> {
  const where = 'where tenant_id = $1 and type = $2';
  return (await db.admin(`select id from mono.audit_events ${where}`, [uuidOf(tenantId), type])).length;
}
