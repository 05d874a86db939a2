import { AuditService } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rpcClient } from '../tour/person.ts';
import { type Installation, openInstallation } from './installation.ts';

let db: TestDatabase;
let installation: Installation;
let issuer: string;
let mine: string;
let theirs: string;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  const tenant = await installation.provision('numbat');
  await installation.provision('bilby');
  ({ issuer } = tenant);
  mine = await (await installation.signIn('numbat')).token();
  theirs = await (await installation.signIn('bilby')).token();
  await installation.controlPlane.jobs.sealTenant(tenant.id);
});
afterAll(async () => {
  await installation?.close();
  await db?.close();
});

const get = (path: string, token?: string, method = 'GET') =>
  fetch(`${issuer}/log/${path}`, { method, headers: token ? { authorization: `Bearer ${token}` } : {} });

/** The paths of one tile of each kind that the checkpoint fills. */
async function tilesOf(note: string): Promise<string[]> {
  const width = Math.min(Number(note.split('\n')[1]), 255);
  expect(width).toBeGreaterThan(0);
  return [`tile/0/000.p/${width}`, `tile/entries/000.p/${width}`];
}

test('an auditor reads the latest checkpoint, uncached, and its tiles, which never change', async () => {
  const checkpoint = await get('checkpoint', mine);
  expect(checkpoint.status).toBe(200);
  expect(checkpoint.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(checkpoint.headers.get('cache-control')).toBe('no-store');
  const note = await checkpoint.text();
  expect(note).toBe((await rpcClient(issuer, AuditService, mine).getCheckpoint({})).note);
  for (const path of await tilesOf(note)) {
    const tile = await get(path, mine);
    expect([tile.status, tile.headers.get('content-type')]).toEqual([200, 'application/octet-stream']);
    expect(tile.headers.get('cache-control')).toBe('private, max-age=31536000, immutable');
    expect((await tile.arrayBuffer()).byteLength).toBeGreaterThan(0);
  }
});

test('no file of the log is read without a token, nor with one of another tenant', async () => {
  const note = await (await get('checkpoint', mine)).text();
  for (const path of ['checkpoint', ...(await tilesOf(note)), 'tile/9/999']) {
    const anonymous = await get(path);
    const metadata = `${new URL(issuer).origin}/.well-known/oauth-protected-resource/t/numbat/rpc`;
    const challenge = `Bearer resource_metadata="${metadata}"`;
    expect([anonymous.status, anonymous.headers.get('www-authenticate')]).toEqual([401, challenge]);
    expect(await anonymous.text()).not.toContain(note);
    expect((await get(path, theirs)).status).toBe(404);
    expect((await get(path, `${mine}x`)).status).toBe(401);
  }
});

test('a token without audit:read is told which permission is missing, and its holder is on record', async () => {
  const token = await (await installation.signIn('numbat')).token({ scope: 'machines:read' });
  const refused = await get('checkpoint', token);
  expect(refused.status).toBe(403);
  expect(refused.headers.get('www-authenticate')).toMatch(/error="insufficient_scope".*scope="audit:read"/);
  const { events } = await rpcClient(issuer, AuditService, mine).listEvents({ type: 'access.refused', pageSize: 1 });
  expect(events[0]?.event).toMatchObject({ objectId: 'GET /log', reason: 'insufficient_scope' });
  expect(events[0]?.event?.actor).toMatch(/^user:usr_/);
});

test('what is no file of the log is not found, whichever way it is spelled', async () => {
  const width = Number((await (await get('checkpoint', mine)).text()).split('\n')[1]);
  const paths = ['', 'check', `tile/0/000.p/${width + 1}`, 'tile/0/000', 'tile/entries/001', 'tile/0/%30%30%30.p/1'];
  for (const path of paths) expect([path, (await get(path, mine)).status]).toEqual([path, 404]);
  expect((await get('checkpoint', mine, 'POST')).status).toBe(404);
});
