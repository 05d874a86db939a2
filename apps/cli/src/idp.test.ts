import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import {
  AssertionProfile,
  AssertionPurpose,
  FederationService,
  IssuerStatus,
} from '@mono-auth/proto/monoauth/federation/v1/federation';
import { generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { runCli } from './index.ts';

const id = newId(systemRuntime, 'gra');
const trusted = {
  ...{ id, issuer: 'https://idp.example', status: IssuerStatus.TRUSTED, scopes: ['orders:read'] },
  purposes: [AssertionPurpose.ID_JAG],
};
let directory: string;
let server: Server;
let token: string;
let seen: object[] = [];

function routes(router: ConnectRouter): void {
  router.service(FederationService, {
    trustIssuer: (request) => {
      seen.push(request);
      return { issuer: trusted };
    },
    updateIssuer: (request) => {
      seen.push(request);
      return { issuer: { ...trusted, version: request.version + 1n } };
    },
    suspendIssuer: (request) => {
      seen.push(request);
      return { issuer: { ...trusted, status: IssuerStatus.SUSPENDED } };
    },
    listIssuers: ({ pageToken }) =>
      pageToken === '' ? { issuers: [trusted], nextPageToken: 'next' } : { issuers: [{ ...trusted, id: 'second' }] },
    linkSubject: (request) => {
      seen.push(request);
      return { subject: { id, subject: request.subject, principal: request.principal } };
    },
    trustResourceServer: (request) => {
      seen.push(request);
      return { resourceServer: { id, issuer: request.issuer, profile: request.profile } };
    },
  });
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'monoauth-idp-'));
  server = createServer(connectNodeAdapter({ requestPathPrefix: '/t/tenant-a/rpc', routes }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/t/tenant-a`;
  const { privateKey } = await generateKeyPair('ES256');
  token = await new SignJWT({ iss: issuer, exp: 2_000_000_000 }).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
});
beforeEach(() => {
  seen = [];
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
  server.closeAllConnections();
  server.close();
});

async function cli(...inputs: readonly string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await runCli(['idp', ...inputs], {
    env: { MONO_STATE_DIR: join(directory, 'state'), MONO_TOKEN: token },
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    readStdin: async () => '',
  });
  return { code, out: out.join(''), err: err.join('') };
}

function fileWith(document: object): string {
  const path = join(directory, `${systemRuntime.uuid()}.json`);
  writeFileSync(path, JSON.stringify(document));
  return path;
}

test('an issuer is trusted as its document says, with a key that makes a repeated command harmless', async () => {
  const document = { issuer: 'https://idp.example', name: 'idp', purposes: ['ASSERTION_PURPOSE_ID_JAG'] };
  const { code, out } = await cli('trust', '--file', fileWith(document), '--json');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ issuer: { id, status: 'ISSUER_STATUS_TRUSTED' } });
  expect(seen).toMatchObject([{ issuer: 'https://idp.example', idempotencyKey: expect.stringMatching(/./) }]);
});

test('an issuer is updated as its document says, on the version that the document names', async () => {
  const document = { version: '3', name: 'idp', purposes: ['ASSERTION_PURPOSE_WORKLOAD'] };
  const { code, out } = await cli('update', id, '--file', fileWith(document), '--json');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ issuer: { id, version: '4' } });
  expect(seen).toMatchObject([{ id, version: 3n, purposes: [AssertionPurpose.WORKLOAD] }]);
});

test('a private key, or what is no request, never leaves the machine', async () => {
  const jwks = { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y', d: 'secret' }] };
  expect((await cli('trust', '--file', fileWith({ issuer: 'https://idp.example', jwks }))).code).toBe(2);
  expect((await cli('trust', '--file', fileWith({ issuers: [] }))).code).toBe(2);
  expect(seen).toEqual([]);
});

test('every page is listed, and a suspension carries its reason', async () => {
  const { out } = await cli('list');
  expect(out).toContain(id);
  expect(out).toContain('second');
  expect((await cli('suspend', id, '--reason', 'looked at')).out).toContain('suspended');
  expect(seen).toMatchObject([{ id, reason: 'looked at' }]);
});

test('a subject is linked to exactly one principal', async () => {
  expect((await cli('link', id, '--subject', 'alice')).code).toBe(2);
  expect((await cli('link', id, '--subject', 'alice', '--user', 'usr_1', '--agent', 'agt_1')).code).toBe(2);
  expect(seen).toEqual([]);
  expect((await cli('link', id, '--subject', 'alice', '--user', 'usr_1')).out).toContain('usr_1');
  expect(seen).toMatchObject([{ issuerId: id, subject: 'alice', principal: { case: 'userId', value: 'usr_1' } }]);
});

test('a client may go to another server as its document says', async () => {
  const document = { issuer: 'https://as.example', profile: 'ASSERTION_PROFILE_ENTERPRISE_MANAGED' };
  expect((await cli('server', 'trust', '--file', fileWith(document))).out).toContain('enterprise');
  expect(seen).toMatchObject([{ profile: AssertionProfile.ENTERPRISE_MANAGED }]);
});
