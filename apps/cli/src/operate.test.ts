import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { utf8 } from '@mono-auth/core/encoding';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { ErrorInfoSchema } from '@mono-auth/proto/google/rpc/error_details';
import { AuditService } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { type AllowAgentRequest, DelegationService } from '@mono-auth/proto/monoauth/delegation/v1/delegation';
import { MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { PolicyService } from '@mono-auth/proto/monoauth/policy/v1/policy';
import { EnforcementState, RevocationService } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import { KeyPurpose, KeyState, RotationMode, TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import {
  Basis,
  ExplainResponseSchema,
  Role,
  TokenService,
  TokenState,
} from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import { generateKeyPair, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from './index.ts';

const agent = newId(systemRuntime, 'agt');
const consent = newId(systemRuntime, 'gra');
const host = newId(systemRuntime, 'hst');
const tenant = newId(systemRuntime, 'ten');
let directory: string;
let server: Server;
let issuer: string;
let token: string;
let invite: string;
let enforced = 2;
let refusal: string | undefined;
let forms: URLSearchParams[] = [];
let seen: { authorization: string | null; request: object }[] = [];

const hostAnswer = { id: host, name: 'web-1', generation: 1n, clientId: newId(systemRuntime, 'cli') };

function refused(detail: string): ConnectError {
  const info = create(ErrorInfoSchema, { reason: refusal ?? 'not_found', domain: 'monoauth' });
  return new ConnectError(detail, Code.NotFound, undefined, [{ desc: ErrorInfoSchema, value: info }]);
}

/** A token that an agent on a host held for a person, until the host was revoked. */
const explained = create(ExplainResponseSchema, {
  ...{
    jti: newId(systemRuntime, 'tok'),
    basis: Basis.EVIDENCE,
    state: TokenState.REVOKED,
    clientId: hostAnswer.clientId,
  },
  ...{ subject: 'user:usr_1', actors: [`agent:${agent}`, `host:${host}`], hostId: host, audience: ['https://o.test'] },
  ...{ issuedAt: timestampFromMs(1_700_000_000_000), expiresAt: timestampFromMs(1_700_000_300_000) },
  decision: { decisionId: 'dec_1', policyVersion: 4n, policies: ['agents'] },
  key: { kid: 'key_1', alg: 'ES256', state: 'active' },
  ancestors: [{ jti: 'tok_0', known: true, subject: 'user:\u001b[2Jusr_1' }],
  handles: [
    { role: Role.ACTOR, handle: { case: 'target', value: { target: { case: 'hostId', value: host } } }, endedBy: 7n },
    { role: Role.TENANT, handle: { case: 'target', value: { target: { case: 'tenant', value: true } } } },
    { role: Role.KEY, handle: { case: 'kid', value: 'key_1' } },
  ],
  endings: [{ seq: 7n, why: 'host', id: host, revocationId: 'rev_1', revokedBy: 'user:usr_2', reason: 'stolen' }],
});

function routes(router: ConnectRouter): void {
  router.service(MachineService, {
    createInvite: (request, { requestHeader }) => {
      seen.push({ authorization: requestHeader.get('authorization'), request });
      return { invite: { id: newId(systemRuntime, 'inv'), hostName: request.hostName }, token: invite };
    },
    challenge: () => ({ nonce: 'nonce' }),
    redeemInvite: () => ({ host: hostAnswer, clientId: hostAnswer.clientId, joinState: 'a.b.c', issuer }),
    listHosts: ({ pageToken }) =>
      pageToken === ''
        ? { hosts: [{ ...hostAnswer, name: '\u001b[31mred' }], nextPageToken: 'more' }
        : { hosts: [{ ...hostAnswer, name: 'second' }] },
    getMintBudget: ({ holder }) => {
      seen.push({ authorization: null, request: { asked: holder?.holder.value } });
      return { budget: { tokensPerWindow: 100n, windowSeconds: 60, chainDepthMax: 2 }, version: 3n };
    },
    setMintBudget: (request) => {
      seen.push({ authorization: null, request });
      return { ...(request.budget && { budget: request.budget }), version: request.version + 1n };
    },
    getHost: () => {
      throw refused('host not found');
    },
  });
  decisionRoutes(router);
  router.service(TenantService, {
    getTenant: () => ({ tenant: { id: tenant, slug: 'tenant-a' } }),
    rotateSigningKey: (request) => {
      seen.push({ authorization: null, request });
      const [signsAt, oldLeavesAt] = [timestampFromMs(1_800_000_000_000), timestampFromMs(1_800_000_750_000)];
      const keys = [{ alg: 'ES256', newKid: 'key_2', oldKids: ['key_1'], signsAt, oldLeavesAt }];
      const receipt = request.mode === RotationMode.COMPROMISED && { receipt: { enforced, registered: 2 } };
      return { rotation: { id: newId(systemRuntime, 'rot'), keys }, ...receipt };
    },
    listSigningKeys: ({ pageToken }) =>
      pageToken === ''
        ? {
            keys: [{ kid: 'key_2', purpose: KeyPurpose.TOKEN, alg: 'ES256', state: KeyState.NEXT }],
            nextPageToken: 'more',
          }
        : { keys: [{ kid: 'key_1', purpose: KeyPurpose.TOKEN, alg: 'ES256', state: KeyState.ACTIVE }] },
  });
  router.service(RevocationService, {
    revoke: (request) => {
      seen.push({ authorization: null, request });
      const [name, at] = ['orders-1', timestampFromMs(1_800_000_000_000)];
      return {
        revocation: { id: newId(systemRuntime, 'rev'), feedSeq: 7n, casualties: [{ kind: 'agent', count: 3n }] },
        receipt: { enforced, registered: 2, points: [{ name, state: EnforcementState.APPLIED, at }] },
      };
    },
  });
  router.service(TokenService, {
    explain: ({ of }) => {
      seen.push({ authorization: null, request: { ...of } });
      if (of.value !== explained.jti && of.value !== token) throw refused('token not found');
      return explained;
    },
  });
  router.service(AuditService, {
    getCheckpoint: () => ({ vkey: 'log+00000000+AQ==' }),
    async *exportBundle() {
      yield { chunk: utf8('one\n') };
      if (refusal === 'unavailable') throw new ConnectError('going away', Code.Unavailable);
      yield { chunk: utf8('two\n') };
    },
  });
}

function decisionRoutes(router: ConnectRouter): void {
  router.service(PolicyService, {
    check: ({ action, context }) => ({ allowed: action === 'orders:read' && context?.mfa === true, policyVersion: 4n }),
  });
  router.service(DelegationService, {
    allowAgent: (request) => {
      seen.push({ authorization: null, request });
      return { consent: { id: consent, agentId: request.agentId, scopes: request.scopes } };
    },
    endAgentConsent: (request) => {
      seen.push({ authorization: null, request });
      return { consent: { id: request.id } };
    },
  });
}

async function answerPlain(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  response.writeHead(200, { 'content-type': 'application/json' });
  const document = { issuer, jwks_uri: `${issuer}/jwks`, token_endpoint: `${issuer}/oauth2/token` };
  if (!request.url?.endsWith('/oauth2/token')) return void response.end(JSON.stringify(document));
  forms.push(new URLSearchParams(Buffer.concat(chunks).toString()));
  response.end(JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: 300, scope: 'orders:read' }));
}

beforeAll(async () => {
  const fallback = (request: unknown, response: unknown) =>
    void answerPlain(request as IncomingMessage, response as ServerResponse);
  server = createServer(connectNodeAdapter({ requestPathPrefix: '/t/tenant-a/rpc', routes, fallback }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/t/tenant-a`;
  const { privateKey } = await generateKeyPair('ES256');
  const sign = (jti: string) =>
    new SignJWT({ iss: issuer, jti, exp: 2_000_000_000 }).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
  [token, invite] = await Promise.all([sign('tok_1'), sign('inv_1')]);
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'monoauth-operate-'));
  [forms, seen, enforced, refusal] = [[], [], 2, undefined];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function cli(inputs: readonly string[], stdin = '') {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await runCli(inputs, {
    env: { MONO_STATE_DIR: join(directory, 'state'), MONO_TOKEN: token },
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    readStdin: async () => stdin,
  });
  return { code, out: out.join(''), err: err.join('') };
}

describe('revoke', () => {
  test('prints the receipt', async () => {
    const { code, out } = await cli(['revoke', 'host', host, '--reason', 'stolen', '--wait']);
    expect(code).toBe(0);
    expect(out).toContain('enforced at 2 of 2');
    expect(out).toMatch(/orders-1 +applied +2027-01-15T08:00:00.000Z/);
    expect(out).toContain('3 agent');
    const target = { case: 'hostId', value: host };
    expect(seen[0]?.request).toMatchObject({ reason: 'stolen', waitMs: 25_000, target: { target } });
  });

  test('with --wait, somebody who does not enforce it yet is a failure that may pass', async () => {
    enforced = 1;
    const { code, out, err } = await cli(['revoke', 'host', host, '--reason', 'stolen', '--wait']);
    expect(code).toBe(9);
    expect(out + err).toContain('enforced at 1 of 2');
    expect((await cli(['revoke', 'host', host, '--reason', 'stolen'])).code).toBe(0);
  });

  test('of a tenant must name one’s own', async () => {
    expect(await cli(['revoke', 'tenant', 'tenant-b', '--reason', 'r'])).toMatchObject({ code: 2, out: '' });
    expect(seen).toEqual([]);
    expect((await cli(['revoke', 'tenant', tenant, '--reason', 'r'])).code).toBe(0);
    expect(seen[0]?.request).toMatchObject({ target: { target: { case: 'tenant', value: true } } });
  });
});

describe('budget', () => {
  test('of an agent, a host or a client is shown, and nothing is changed', async () => {
    for (const [noun, holder] of [
      ['agent', agent],
      ['host', host],
      ['client', newId(systemRuntime, 'cli')],
    ] as const) {
      seen = [];
      const { code, out } = await cli([noun, 'budget', holder]);
      expect([code, seen.map(({ request }) => request)]).toEqual([0, [{ asked: holder }]]);
      expect(out).toBe(
        'tokens    100 in 60 s\nlifetime  no limit\nfan-out   no limit\ndepth     2 actors\nhours     always\nversion   3\n',
      );
    }
  });

  test('with a limit sets that one, leaves the others, and is based on what was read', async () => {
    const { code, out } = await cli(['agent', 'budget', agent, '--tokens', '0', '--hours', '08:00-18:30 22:00-24:00']);
    expect(code).toBe(0);
    const hours = [
      { fromMinute: 480, toMinute: 1_110 },
      { fromMinute: 1_320, toMinute: 1_440 },
    ];
    expect(seen[1]?.request).toMatchObject({
      budget: { tokensPerWindow: 0n, windowSeconds: 60, chainDepthMax: 2, hours },
      version: 3n,
    });
    expect(out).toContain('hours     08:00-18:30 22:00-24:00 UTC\nversion   4\n');
    expect((await cli(['agent', 'budget', agent, '--hours', 'always'])).code).toBe(0);
    expect(seen.at(-1)?.request).toMatchObject({ budget: { hours: [] } });
  });

  test('refuses what is no limit, no time of the day and nobody’s id before it asks', async () => {
    const wrong = [
      [agent, '--tokens', '-1'],
      [agent, '--window', '1.5'],
      [agent, '--hours', '8-18'],
      [agent, '--hours', '24:00-01:00'],
      [newId(systemRuntime, 'usr')],
    ];
    for (const inputs of wrong) expect((await cli(['agent', 'budget', ...inputs])).code).toBe(2);
    expect(seen).toEqual([]);
  });
});

describe('key', () => {
  test('rotate publishes the next key of every algorithm unless more is said, and says when the old one leaves', async () => {
    const { code, out } = await cli(['key', 'rotate', '--reason', 'yearly']);
    expect(code).toBe(0);
    expect(out).toMatch(/ES256 +key_2 signs from 2027-01-15T08:00:00.000Z\n +key_1 leaves at 2027-01-15T08:12:30.000Z/);
    expect(seen[0]?.request).toMatchObject({
      ...{ purpose: KeyPurpose.TOKEN, alg: '', mode: RotationMode.PLANNED, reason: 'yearly', waitMs: 0 },
    });
    expect((await cli(['key', 'rotate'])).code).toBe(2);
  });

  test('rotate --compromised waits for everybody, and fails while somebody does not enforce it', async () => {
    const rotate = ['key', 'rotate', '--alg', 'ES256', '--compromised', '--reason', 'stolen'];
    const { code, out } = await cli(rotate);
    expect([code, seen[0]?.request]).toMatchObject([
      0,
      { mode: RotationMode.COMPROMISED, alg: 'ES256', waitMs: 25_000 },
    ]);
    expect(out).toContain('key_1 revoked at');
    expect(out).toContain('enforced at 2 of 2');
    enforced = 1;
    expect((await cli(rotate)).code).toBe(9);
  });

  test('list has every page with the stage of each key', async () => {
    const { out } = await cli(['key', 'list']);
    expect(out).toMatch(/key_2 +token +ES256 +next/);
    expect(out).toMatch(/key_1 +token +ES256 +active/);
    expect(JSON.parse((await cli(['key', 'list', '--json'])).out).keys).toHaveLength(2);
  });
});

test('an invite is the answer, or a file that its owner alone can read', async () => {
  const create = ['invite', 'create', '--host-name', 'web-1', '--ttl', '60', '--scope', 'a b'];
  expect(await cli(create)).toEqual({ code: 0, out: `${invite}\n`, err: '' });
  expect(seen[0]).toMatchObject({
    authorization: `Bearer ${token}`,
    request: { hostName: 'web-1', ttlSeconds: 60, scopes: ['a', 'b'] },
  });
  const file = join(directory, 'invite');
  expect((await cli([...create, '--out', file])).code).toBe(0);
  expect(readFileSync(file, 'utf8')).toBe(`${invite}\n`);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect((await cli([...create, '--out', file])).code).toBe(7);
  expect(seen).toHaveLength(2);
});

test('a person lets an agent act for a time, and ends it; both answer the consent', async () => {
  const before = systemRuntime.nowMs();
  const { code, out } = await cli([
    'agent',
    'allow',
    agent,
    '--scope',
    'a b',
    '--aud',
    'https://orders.test',
    '--ttl',
    '60',
  ]);
  expect([code, out.split('\n')[0]]).toEqual([0, `consent   ${consent}`]);
  const request = seen[0]?.request as AllowAgentRequest;
  expect(request).toMatchObject({ agentId: agent, scopes: ['a', 'b'], audiences: ['https://orders.test'] });
  const lifeMs = Number(request.expiresAt?.seconds) * 1000 - before;
  expect(lifeMs).toBeGreaterThan(58_000);
  expect(lifeMs).toBeLessThan(90_000);
  expect(await cli(['agent', 'disallow', consent])).toMatchObject({ code: 0, out: `ended ${consent}\n` });
  expect(seen[1]?.request).toMatchObject({ id: consent });
  expect((await cli(['agent', 'allow', consent, '--scope', 'a', '--ttl', '60'])).code).toBe(2);
});

describe('an enrolled machine', () => {
  const enroll = () => cli(['enroll', '--server', new URL(issuer).origin, '--invite-file', '-', '--json'], invite);

  test('keeps its key in a file of its own, and enrolling again changes nothing', async () => {
    const first = await enroll();
    expect(JSON.parse(first.out)).toMatchObject({ host_id: host, issuer, generation: 1 });
    const path = join(directory, 'state', 'host.json');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const kept = readFileSync(path, 'utf8');
    expect(first.out).not.toContain(JSON.parse(kept).privateJwk.d);
    expect(await enroll()).toEqual(first);
    expect(readFileSync(path, 'utf8')).toBe(kept);
  });

  test('exchanges a person’s token with that of its agent', async () => {
    await enroll();
    const args = ['token', 'exchange', '--subject-token-file', '-', '--agent', agent, '--aud', 'https://orders.test'];
    expect(await cli(args, 'person\n')).toMatchObject({ code: 0, out: `${token}\n` });
    expect(forms.map((form) => form.get('agent') ?? form.get('actor_token'))).toEqual([agent, token]);
    expect(forms[1]?.get('subject_token')).toBe('person');
  });

  test('is needed for an agent’s token: 4', async () => {
    expect(await cli(['token', 'mint', '--agent', agent])).toMatchObject({ code: 4, out: '' });
  });
});

describe('token inspect', () => {
  test('says in words who acts for whom, what has ended it and what would', async () => {
    const { code, out } = await cli(['token', 'inspect', '--jti', explained.jti]);
    expect(code).toBe(0);
    const lines = out.split('\n');
    for (const line of [
      `token      ${explained.jti}`,
      'state      revoked',
      `chain      agent:${agent} acts for user:usr_1, through host:${host}`,
      'decision   dec_1 policy version 4 by agents',
      'key        key_1 ES256 active',
      `ended by   entry 7: host ${host} rev_1 by user:usr_2 (stolen)`,
      `dies with  actor ${host} ended by entry 7`,
      'dies with  tenant',
      'dies with  key key_1',
    ]) {
      expect(lines).toContain(line);
    }
    expect(out).not.toContain('\u001b');
  });

  test('shows the token to its issuer, from standard input, and gives the document of the contract', async () => {
    const { code, out } = await cli(['token', 'inspect', '--token-file', '-', '--json'], `${token}\n`);
    expect(code).toBe(0);
    expect(seen.map(({ request }) => request)).toEqual([{ case: 'token', value: token }]);
    expect(JSON.parse(out)).toMatchObject({
      ...{ jti: explained.jti, state: 'TOKEN_STATE_REVOKED', actors: [`agent:${agent}`, `host:${host}`] },
      handles: [{ role: 'ROLE_ACTOR', target: { hostId: host }, endedBy: '7' }, { target: { tenant: true } }, {}],
    });
  });

  test('shows a token of another issuer to nobody, and what is not found exits with 3', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const claims = { iss: 'https://else.test/t/acme', exp: 2_000_000_000 };
    const foreign = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
    const notFound = { code: 3, out: '', err: 'monoauth: not_found: token not found\n' };
    expect(await cli(['token', 'inspect', '--token-file', '-'], foreign)).toEqual(notFound);
    expect(seen).toEqual([]);
    expect(await cli(['token', 'inspect', '--jti', 'tok_2'])).toEqual(notFound);
  });
});

describe('lists and objects', () => {
  test('a list has every page, and no name moves the terminal', async () => {
    const { out } = await cli(['host', 'ls']);
    expect(out.trimEnd().split('\n')).toHaveLength(3);
    expect(out).not.toContain('\u001b');
    expect(JSON.parse((await cli(['host', 'ls', '--json'])).out).hosts).toHaveLength(2);
  });

  test.each([
    ['not_found', 3],
    ['insufficient_scope', 5],
    ['stale_version', 7],
    ['pending_approval', 6],
    ['rate_limited', 9],
    ['internal', 1],
  ])('a refusal %s exits with %i', async (reason, code) => {
    refusal = reason;
    const ran = await cli(['host', 'get', host]);
    expect(ran).toEqual({ code, out: '', err: `monoauth: ${reason}: host not found\n` });
  });
});

test('policy check: allowed exits with 0, denied with 5', async () => {
  const check = (action: string) =>
    cli(['policy', 'check', 'user:usr_1', action, 'order/17', '--context-file', '-'], '{"mfa":true}');
  expect(await check('orders:read')).toMatchObject({ code: 0, err: '' });
  const denied = await check('orders:write');
  expect(denied.code).toBe(5);
  expect(denied.out).toContain('denied');
  expect((await cli(['policy', 'check', 'user:usr_1', 'orders:read', 'order'])).code).toBe(2);
});

test('audit export writes a new file, and never over an old one', async () => {
  const out = join(directory, 'bundle.ndjson');
  const ran = await cli(['audit', 'export', '--out', out, '--json']);
  expect(JSON.parse(ran.out)).toEqual({ bundle: out, bytes: 8, vkey: 'log+00000000+AQ==' });
  expect(readFileSync(out, 'utf8')).toBe('one\ntwo\n');
  expect(statSync(out).mode & 0o777).toBe(0o600);
  expect(await cli(['audit', 'export', '--out', out])).toMatchObject({ code: 7, out: '' });
  expect(readFileSync(out, 'utf8')).toBe('one\ntwo\n');
});

test('an export that breaks off leaves no file that looks like one', async () => {
  const out = join(directory, 'bundle.ndjson');
  refusal = 'unavailable';
  expect(await cli(['audit', 'export', '--out', out])).toMatchObject({ code: 9, out: '' });
  expect(existsSync(out)).toBe(false);
});
