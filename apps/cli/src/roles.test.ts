import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { PolicyService } from '@mono-auth/proto/monoauth/policy/v1/policy';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { runCli } from './run-cli.ts';

const assignment = newId(systemRuntime, 'gra');
const principal = `agent:${newId(systemRuntime, 'agt')}`;
const product = {
  ...{ name: 'docs', displayName: 'Documents', version: 3n, resources: ['https://docs.example'] },
  roles: [{ name: 'editor', description: '', permissions: ['doc:read', 'doc:write'] }],
};
let server: Server;
let token: string;
let directory: string;
/** What the server was asked. */
let seen: { method: string; request: object }[] = [];

beforeAll(async () => {
  const noted = <T>(method: string, request: object, answer: T): T => {
    seen.push({ method, request });
    return answer;
  };
  server = createServer(
    connectNodeAdapter({
      requestPathPrefix: '/t/tenant-a/rpc',
      routes: (router) =>
        router.service(PolicyService, {
          registerProduct: (request) => noted('register', request, { product }),
          getProduct: (request) => noted('get', request, { product }),
          listProducts: ({ pageToken }) => (pageToken === '' ? { products: [product], nextPageToken: 'docs' } : {}),
          assignRole: (request) => {
            const { product, role, principal, resource, expiresAt } = request;
            const given = { id: assignment, product, role, principal, resource, ...(expiresAt && { expiresAt }) };
            return noted('assign', request, { assignment: given });
          },
          removeRole: (request) => noted('remove', request, { assignment: { id: request.id } }),
          listAssignments: (request) => {
            const held = { id: assignment, product: 'docs', role: 'editor', principal };
            const ended = { ...held, resource: 'folder/7', endedAt: timestampFromMs(1_800_000_000_000) };
            return noted('list', request, { assignments: [held, ended] });
          },
        }),
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/t/tenant-a`;
  const signer = new SignJWT({ iss: issuer, exp: 2_000_000_000 }).setProtectedHeader({ alg: 'HS256' });
  token = await signer.sign(new Uint8Array(32));
  directory = mkdtempSync(join(tmpdir(), 'monoauth-roles-'));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => {
  seen = [];
});

async function cli(...inputs: string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await runCli(inputs, {
    env: { MONO_STATE_DIR: join(directory, 'state'), MONO_TOKEN: token },
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    readStdin: async () => '',
  });
  return { code, out: out.join(''), err: err.join('') };
}

function fileWith(text: string): string {
  const file = join(directory, `${systemRuntime.uuid()}.json`);
  writeFileSync(file, text);
  return file;
}

test('a product is registered as its file says, on top of the version that is named', async () => {
  const roles = [{ name: 'editor', permissions: ['doc:write'] }];
  const file = fileWith(JSON.stringify({ name: 'docs', roles, resources: ['https://docs.example'] }));
  const registered = await cli('product', 'register', '--file', file, '--version', '2');
  expect([registered.code, registered.err]).toEqual([0, '']);
  expect(registered.out).toContain('role         editor: doc:read doc:write');
  expect(seen).toMatchObject([{ method: 'register', request: { name: 'docs', roles, basedOn: 2n } }]);
  await cli('product', 'register', '--file', file);
  expect(seen[1]).toMatchObject({ request: { basedOn: 0n } });
});

test('a file that is no registration is refused before anything is sent', async () => {
  for (const text of ['{"name":"docs","rolls":[]}', '[]', 'docs', '{"name":7}']) {
    const { code, err } = await cli('product', 'register', '--file', fileWith(text));
    expect([code, err.split(':').slice(0, 2)]).toEqual([2, ['monoauth', ' invalid_request']]);
  }
  expect(seen).toEqual([]);
});

test('products are shown, and listed over all pages under either name of the command', async () => {
  expect((await cli('product', 'show', 'docs')).out).toContain('resource     https://docs.example');
  const listed = await cli('product', 'ls');
  expect(listed.out).toMatch(/^docs +3 +editor +https:\/\/docs\.example$/m);
  expect((await cli('product', 'list')).out).toBe(listed.out);
  expect(JSON.parse((await cli('product', 'ls', '--json')).out).products).toHaveLength(1);
});

test('a role is assigned everywhere or on one thing, for good or until a time', async () => {
  const everywhere = await cli('role', 'assign', principal, '--product', 'docs', '--role', 'editor');
  expect([everywhere.code, everywhere.out]).toEqual([
    0,
    expect.stringMatching(/resource +everything\nuntil +it is removed/),
  ]);
  const flags = ['--resource', 'folder/7', '--ttl', '60', '--json'];
  const { out } = await cli('role', 'assign', principal, '--product', 'docs', '--role', 'editor', ...flags);
  expect(JSON.parse(out).assignment).toMatchObject({ id: assignment, resource: 'folder/7', role: 'editor' });
  const [first, second] = seen.map(({ request }) => request as { idempotencyKey: string; expiresAt?: object });
  expect([first?.expiresAt, second?.expiresAt]).toEqual([undefined, expect.anything()]);
  expect(first?.idempotencyKey).not.toBe(second?.idempotencyKey);
});

test('a role is removed by its assignment, and nothing else is taken for one', async () => {
  expect(await cli('role', 'remove', assignment)).toMatchObject({ code: 0, out: `removed ${assignment}\n` });
  expect((await cli('role', 'remove', principal)).code).toBe(2);
  expect(seen).toMatchObject([{ method: 'remove', request: { id: assignment } }]);
});

test('who has which role is listed by product and principal, those that have ended as such', async () => {
  const { out } = await cli('role', 'ls', '--product', 'docs', '--principal', principal);
  expect(out).toMatch(/docs +editor +agent:\S+ +- +it is removed$/m);
  expect(out).toMatch(/folder\/7 +ended$/m);
  expect(seen).toMatchObject([{ method: 'list', request: { product: 'docs', principal } }]);
});
