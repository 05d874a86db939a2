import { createHash } from 'node:crypto';
import { newId, type TenantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { createLocalKms, type Keyring, openKeyring } from '@mono-auth/keys';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { append, auditProvisionStep, type LogDeps, readLogFile, sealTenant } from './index.ts';

const runtime = new FakeRuntime();
let db: TestDatabase;
let keys: Keyring;
let deps: LogDeps;

beforeAll(async () => {
  db = await openTestDatabase();
  const platform = await db.createTenantRow('platform');
  keys = openKeyring({
    database: db.database,
    runtime,
    kms: createLocalKms(testKek),
    platformIssuer: 'https://mono.test/t/platform',
    rootTenant: async () => platform,
  });
  deps = { database: db.database, keys, runtime, originOf: async (tenantId) => `mono.test/t/${tenantId}/log` };
});
afterAll(() => db.close());

async function provision(slug: string): Promise<TenantId> {
  const id = await db.createTenantRow(slug);
  await db.database.forTenant(id, (tx) => keys.provision(tx));
  await auditProvisionStep(deps).finish({ id, incarnation: 1 });
  return id;
}

async function grow(tenantId: TenantId, count: number): Promise<void> {
  const anonymous = { tenantRole: undefined, tokenId: undefined, sessionId: undefined, clientId: undefined };
  const call: Call = {
    runtime,
    caller: {
      ...anonymous,
      principal: 'system:platform',
      tenantId,
      tenantSlug: '',
      scope: new Set(),
      act: undefined,
      requestId: newId(runtime, 'req'),
      ip: '',
    },
  };
  await db.database.forTenant(tenantId, async (tx) => {
    for (let i = 0; i < count; i++) {
      runtime.advance(1);
      await append(tx, call, { type: 'host.enrolled', object: { kind: 'host', id: `hst_${i}` } });
    }
  });
  await sealTenant(deps, tenantId);
}

const read = (tenantId: TenantId, path: string) => db.database.forTenant(tenantId, (tx) => readLogFile(tx, path));
const bytesOf = async (tenantId: TenantId, path: string) => Buffer.from((await read(tenantId, path)).bytes);

// What follows is a client written from RFC 6962 and C2SP tlog-tiles alone: nothing of ours computes for it.

const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
const leafOf = (entry: Uint8Array) => sha256(Uint8Array.of(0), entry);

/** RFC 6962 §2.1, over subtrees of one height of which the last may be lower. */
function treeHash(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 0) return sha256();
  if (hashes.length === 1) return hashes[0] as Buffer;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return sha256(Uint8Array.of(1), treeHash(hashes.slice(0, split)), treeHash(hashes.slice(split)));
}

const pathOf = (level: number | 'entries', index: number, width: number) =>
  `tile/${level}/${String(index).padStart(3, '0')}${width === 256 ? '' : `.p/${width}`}`;

function hashesOf(tile: Buffer): Buffer[] {
  return Array.from({ length: tile.length / 32 }, (_, i) => tile.subarray(i * 32, i * 32 + 32));
}

function entriesOf(bundle: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let at = 0; at < bundle.length; ) {
    const end = at + 2 + bundle.readUInt16BE(at);
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

interface Read {
  readonly size: number;
  readonly root: string;
  readonly leaves: number;
}

/** Reads the whole log, holding every tile to the one below it, and says which root it makes of them. */
async function rebuild(tenantId: TenantId): Promise<{ signed: Read; rebuilt: Read }> {
  const [, sizeLine = '', rootLine = ''] = (await bytesOf(tenantId, 'checkpoint')).toString().split('\n');
  const size = Number(sizeLine);
  let below: Buffer[] = [];
  for (let from = 0; from < size; from += 256) {
    const bundle = entriesOf(await bytesOf(tenantId, pathOf('entries', from / 256, Math.min(size - from, 256))));
    below.push(...bundle.map(leafOf));
  }
  const leaves = below.length;
  // The right edge, from the leaves upwards: partial tiles alone, and what is below them to the right.
  let edge: Buffer | undefined;
  for (let level = 0, width = size; width > 0; level++, width = Math.floor(width / 256)) {
    const tiles: Buffer[][] = [];
    for (let from = 0; from < width; from += 256) {
      tiles.push(hashesOf(await bytesOf(tenantId, pathOf(level, from / 256, Math.min(width - from, 256)))));
    }
    expect(tiles.flat()).toEqual(below);
    const partial = width % 256 === 0 ? [] : (tiles.at(-1) ?? []);
    if (partial.length > 0) edge = treeHash(edge ? [...partial, edge] : partial);
    below = tiles.filter((tile) => tile.length === 256).map(treeHash);
  }
  const root = (edge ?? treeHash([])).toString('base64');
  return { signed: { size, root: rootLine, leaves: size }, rebuilt: { size, root, leaves } };
}

test('the tiles alone make the root of the checkpoint, at every size around the width of a tile', async () => {
  const tenant = await provision('growing');
  for (const [added, size] of [
    [0, 0],
    [1, 1],
    [254, 255],
    [1, 256],
    [1, 257],
    [343, 600],
  ] as const) {
    await grow(tenant, added);
    const { signed, rebuilt } = await rebuild(tenant);
    expect(signed.size).toBe(size);
    expect(rebuilt).toEqual(signed);
  }
});

test('a tile never changes, and a partial one stays readable when the tree has outgrown it', async () => {
  const tenant = await provision('steady');
  await grow(tenant, 200);
  const paths = ['tile/0/000.p/200', 'tile/entries/000.p/200'];
  const before = await Promise.all(paths.map((path) => read(tenant, path)));
  await grow(tenant, 100);
  expect(await Promise.all(paths.map((path) => read(tenant, path)))).toEqual(before);
  expect(before.map(({ immutable }) => immutable)).toEqual([true, true]);
  expect(await read(tenant, 'checkpoint')).toMatchObject({ immutable: false });
  expect((await bytesOf(tenant, 'tile/0/000')).subarray(0, 200 * 32)).toEqual(Buffer.from(before[0]?.bytes ?? []));
});

test('what the checkpoint does not fill is not found, nor an empty tile, nor a path of no tile', async () => {
  const tenant = await provision('bounded');
  await expect(read(tenant, 'tile/0/000')).rejects.toMatchObject({ reason: 'not_found' });
  await expect(read(tenant, 'tile/0/000.p/1')).rejects.toMatchObject({ reason: 'not_found' });
  await grow(tenant, 256);
  const beyond = ['tile/0/001', 'tile/0/001.p/1', 'tile/1/000', 'tile/1/000.p/2', 'tile/2/000.p/1'];
  const never = ['', 'tile', 'tile/0/000.p/0', 'tile/0/000.p/256', 'tile/0/0', 'tile/0/../0/000', 'checkpoint/', 'x'];
  for (const path of [...beyond, 'tile/entries/001', 'tile/entries/001.p/1', ...never]) {
    await expect(read(tenant, path), path).rejects.toMatchObject({ reason: 'not_found' });
  }
  expect((await read(tenant, 'tile/1/000.p/1')).bytes).toHaveLength(32);
});

test('in a transaction of another tenant the paths name the log of that tenant', async () => {
  const [mine, theirs] = [await provision('tiles-mine'), await provision('tiles-theirs')];
  await grow(mine, 3);
  await grow(theirs, 2);
  const [own, other] = [await bytesOf(mine, 'tile/0/000.p/2'), await bytesOf(theirs, 'tile/0/000.p/2')];
  expect(own).not.toEqual(other);
  await expect(read(theirs, 'tile/0/000.p/3')).rejects.toMatchObject({ reason: 'not_found' });
});
