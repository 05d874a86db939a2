import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { ErrorInfoSchema } from '@mono-auth/proto/google/rpc/error_details';
import { AuthMethod, ClientService, ClientStatus } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { MetadataDocumentClients, TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import { generateKeyPair, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { runCli } from './index.ts';

const id = newId(systemRuntime, 'cli');
const secretId = newId(systemRuntime, 'sec');
const secret = 'mono_cs_shown-once';
const hash = 'h'.repeat(43);
let directory: string;
let server: Server;
let token: string;
let seen: object[] = [];

const drafted = { id, name: 'shop', status: ClientStatus.DRAFT, proposedHash: hash, version: 1n };
const policy = {
  accessTokenTtlSecondsMax: 3_600,
  refreshTokenTtlSecondsMax: 2_592_000,
  clientSecretTtlSecondsMax: 31_536_000,
  metadataDocumentClients: MetadataDocumentClients.ALLOWED,
};

function routes(router: ConnectRouter): void {
  router.service(ClientService, {
    createClient: (request) => {
      seen.push(request);
      return { client: drafted, clientSecret: secret };
    },
    approveClient: (request) => {
      seen.push(request);
      return { client: { ...drafted, status: ClientStatus.APPROVED, manifestHash: hash, proposedHash: '' } };
    },
    rotateSecret: (request) => {
      seen.push(request);
      return { secret: { id: secretId }, clientSecret: secret };
    },
    suspendClient: () => {
      const info = create(ErrorInfoSchema, { reason: 'pending_approval', domain: 'monoauth' });
      throw new ConnectError('the client is a draft', Code.FailedPrecondition, undefined, [
        { desc: ErrorInfoSchema, value: info },
      ]);
    },
    listResources: () => ({ resources: [{ identifier: 'https://api.example', name: 'api', isDefault: true }] }),
  });
  router.service(TenantService, {
    getSecurityPolicy: () => ({ policy, version: 4n }),
    updateSecurityPolicy: (request) => {
      seen.push(request);
      return { policy: request.policy ?? policy, version: 5n };
    },
  });
}

beforeAll(async () => {
  server = createServer(connectNodeAdapter({ requestPathPrefix: '/t/tenant-a/rpc', routes }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/t/tenant-a`;
  const { privateKey } = await generateKeyPair('ES256');
  token = await new SignJWT({ iss: issuer, exp: 2_000_000_000 }).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'monoauth-clients-'));
  seen = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function cli(...inputs: readonly string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await runCli(inputs, {
    env: { MONO_STATE_DIR: join(directory, 'state'), MONO_TOKEN: token },
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    readStdin: async () => '',
  });
  return { code, out: out.join(''), err: err.join('') };
}

function fileWith(name: string, document: object): string {
  const path = join(directory, name);
  writeFileSync(path, JSON.stringify(document));
  return path;
}

const manifest = { authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC', redirectUris: ['https://shop.example/callback'] };
const createApp = (...more: string[]) =>
  cli('client', 'create', '--name', 'shop', '--kind', 'app', '--manifest-file', fileWith('m.json', manifest), ...more);

test('a secret goes into a new file that its owner alone reads, and nowhere else', async () => {
  const path = join(directory, 'secret');
  const { code, out, err } = await createApp('--secret-out', path, '--submit');
  expect(code).toBe(0);
  expect(readFileSync(path, 'utf8')).toBe(`${secret}\n`);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(out + err).not.toContain(secret);
  expect(out).toContain(hash);
  expect(seen).toMatchObject([
    { name: 'shop', submit: true, manifest: { authMethod: AuthMethod.CLIENT_SECRET_BASIC } },
  ]);
});

test('a secret without a place is refused before anything is asked, and a file that is there is kept', async () => {
  expect(await createApp()).toMatchObject({ code: 2, out: '' });
  expect(await createApp('--show-secret')).toMatchObject({ code: 2, out: '' });
  expect((await cli('client', 'secret', 'rotate', id)).code).toBe(2);
  const path = fileWith('old', {});
  expect((await createApp('--secret-out', path)).code).toBe(7);
  expect(readFileSync(path, 'utf8')).toBe('{}');
  expect(seen).toEqual([]);
});

test('it is in the document of --json only where the caller says so', async () => {
  const shown = await cli('client', 'secret', 'rotate', id, '--json', '--show-secret');
  expect(JSON.parse(shown.out)).toMatchObject({ secret: { id: secretId }, client_secret: secret });
  const path = join(directory, 'secret');
  const kept = await cli('client', 'secret', 'rotate', id, '--json', '--secret-out', path, '--overlap', '60');
  expect(kept.out).not.toContain(secret);
  expect(existsSync(path)).toBe(true);
  expect(seen[1]).toMatchObject({ overlapSeconds: 60 });
});

test('an approval names the hash that was looked at', async () => {
  expect((await cli('client', 'approve', id)).code).toBe(2);
  const { code, out } = await cli('client', 'approve', id, '--hash', hash);
  expect(code).toBe(0);
  expect(out).toContain('approved');
  expect(seen).toMatchObject([{ id, manifestHash: hash }]);
});

test('what needs an approval first exits with 6', async () => {
  const { code, err } = await cli('client', 'suspend', id, '--reason', 'odd');
  expect(code).toBe(6);
  expect(err).toContain('pending_approval');
});

test('a private key in a manifest never leaves this machine', async () => {
  const path = fileWith('m.json', { jwks: { keys: [{ kty: 'EC', d: 'secret' }] } });
  expect((await cli('client', 'update', id, '--version', '1', '--manifest-file', path)).code).toBe(2);
  expect((await cli('client', 'update', id, '--version', '0', '--manifest-file', path)).code).toBe(2);
  expect(seen).toEqual([]);
});

test('ceilings that are not named stay, and the change is based on what was read', async () => {
  const path = fileWith('p.json', { accessTokenTtlSecondsMax: 600 });
  expect((await cli('tenant', 'policy', 'set', '--policy-file', path)).code).toBe(0);
  expect(seen).toMatchObject([{ version: 4n, policy: { ...policy, accessTokenTtlSecondsMax: 600 } }]);
  expect((await cli('tenant', 'policy', 'set', '--policy-file', fileWith('q.json', { nonsense: 1 }))).code).toBe(2);
  expect((await cli('tenant', 'policy', 'show')).out).toContain('accessTokenTtlSecondsMax 3600');
});

test('resources are listed under either name of the command', async () => {
  const listed = await cli('resource', 'ls');
  expect(listed.out).toMatch(/https:\/\/api\.example +api .*default/);
  expect((await cli('resource', 'list')).out).toBe(listed.out);
});
