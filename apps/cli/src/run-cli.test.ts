import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { refusals } from '@mono-auth/core/errors';
import { systemRuntime } from '@mono-auth/core/runtime';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from './index.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'monoauth-cli-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function cli(
  inputs: readonly string[],
  options: { env?: Record<string, string>; stdin?: string } = {},
): Promise<Ran> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await runCli(inputs, {
    env: { MONO_STATE_DIR: join(directory, 'state'), ...options.env },
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    readStdin: async () => options.stdin ?? '',
  });
  return { code, out: out.join(''), err: err.join('') };
}

function fileWith(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

describe('how it is called', () => {
  test.each<[string, string[]]>([
    ['an unknown command', ['tokne']],
    ['an unknown command below another', ['token', 'forge']],
    ['an unknown flag', ['whoami', '--verbose']],
    ['a missing flag', ['token', 'verify']],
    ['neither a token nor its id', ['token', 'inspect']],
    ['a token and an id', ['token', 'inspect', '--token-file', '-', '--jti', 'tok_1']],
    ['an id that says nothing of itself', ['token', 'inspect', '--jti', 'tok_1', '--offline']],
    ['a missing argument', ['host', 'get']],
    ['one argument too many', ['host', 'get', 'a', 'b']],
    ['a kind that cannot be revoked', ['revoke', 'planet', 'x', '--reason', 'r']],
    ['a lifetime that is no number', ['invite', 'create', '--host-name', 'web-1', '--ttl', '1h']],
    ['an empty value', ['token', 'inspect', '--token-file', '']],
    ['an id of another kind', ['host', 'get', 'agt_01arz3ndektsv4rrffq69g5fav']],
    [
      'a password on argv',
      ['login', '--server', 'https://a.test', '--tenant', 'a', '--email', 'a@b.c', '--password', 'p'],
    ],
  ])('%s exits with 2 and says so on standard error alone', async (_, inputs) => {
    const { code, out, err } = await cli(inputs);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).not.toBe('');
  });

  test('help and version are answers, and exit with 0', async () => {
    expect(await cli(['--help'])).toMatchObject({ code: 0, err: '' });
    expect((await cli(['token', '--help'])).out).toContain('exchange');
    expect(JSON.parse((await cli(['version', '--json'])).out)).toEqual({ version: '0.1.0' });
  });

  test('no command takes a secret as an argument', async () => {
    const commands = [
      'login',
      'enroll',
      'tenant create',
      'client create',
      'token exchange',
      'token inspect',
      'token verify',
    ];
    for (const command of commands) {
      const { out } = await cli([...command.split(' '), '--help']);
      expect(out).not.toMatch(/--(?:password|token|invite|subject-token|jwks|owner-password)\s/);
    }
  });

  test('whoever is not signed in is told to, and exits with 4', async () => {
    const { code, out, err } = await cli(['host', 'ls']);
    expect({ code, out }).toEqual({ code: 4, out: '' });
    expect(err).toBe('monoauth: not_authenticated: not signed in: run monoauth login, or set MONO_TOKEN\n');
  });
});

describe('a server', () => {
  let server: Server;
  let base: string;
  let key: CryptoKey;
  let publicJwk: JWK;
  let refusal: { status: number; body: object } | undefined;
  let requests: { path: string; origin: unknown; cookie: unknown; body: string }[] = [];

  beforeAll(async () => {
    const pair = await generateKeyPair('ES256', { extractable: true });
    key = pair.privateKey;
    publicJwk = { ...(await exportJWK(pair.publicKey)), kid: 'key_1', alg: 'ES256', use: 'sig' };
    server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const path = request.url ?? '';
      const { origin, cookie } = request.headers;
      requests.push({ path, origin, cookie, body: Buffer.concat(chunks).toString() });
      const answer = (status: number, body: object, headers = {}) =>
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
      if (refusal) return answer(refusal.status, refusal.body);
      const issuer = `${base}/t/tenant-a`;
      if (path.endsWith('/auth/sign-in/email'))
        return answer(200, {}, { 'set-cookie': ['s=abc; Path=/; HttpOnly', 'd=1'] });
      if (path.endsWith('/auth/token'))
        return answer(200, { access_token: await mint(issuer), expires_in: 600, scope: 'a' });
      if (path.endsWith('/openid-configuration')) {
        return answer(200, { issuer, jwks_uri: `${issuer}/jwks`, token_endpoint: `${issuer}/oauth2/token` });
      }
      if (path.endsWith('/jwks')) return answer(200, { keys: [publicJwk] });
      return answer(200, {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    requests = [];
    refusal = undefined;
  });

  function mint(issuer: string, claims: Record<string, unknown> = {}): Promise<string> {
    const iat = Math.floor(systemRuntime.nowMs() / 1000);
    const [sub, agent] = ['user:usr_01arz3ndektsv4rrffq69g5fav', 'agent:agt_01arz3ndektsv4rrffq69g5fav'];
    const act = { sub: agent, act: { sub: 'host:hst_01arz3ndektsv4rrffq69g5fav' } };
    const ids = { jti: 'tok_1', client_id: 'cli_1', tenant_id: 'ten_01arz3ndektsv4rrffq69g5fav', ep: 0, fs: 0 };
    const whole = {
      iss: issuer,
      aud: 'https://orders.test',
      sub,
      act,
      iat,
      exp: iat + 600,
      scope: 'orders:read',
      ...ids,
    };
    return new SignJWT({ ...whole, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'key_1', typ: 'at+jwt' })
      .sign(key);
  }

  const login = (extra: { env?: Record<string, string> } = {}) =>
    cli(
      ['login', '--server', `${base}/`, '--tenant', 'tenant-a', '--email', 'ada@example.test', '--password-file', '-'],
      {
        stdin: 'correct horse\n',
        ...extra,
      },
    );

  test('a session is kept in a file that its owner alone can read, and never in the output', async () => {
    const { code, out, err } = await login();
    expect(code).toBe(0);
    expect(out + err).not.toContain('abc');
    const path = join(directory, 'state', 'session.json');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'state')).mode & 0o777).toBe(0o700);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
      cookie: 's=abc; d=1',
      issuer: `${base}/t/tenant-a`,
    });
    expect(readdirSync(join(directory, 'state'))).toEqual(['session.json']);
    const [sent] = requests;
    expect(sent).toMatchObject({ path: '/t/tenant-a/auth/sign-in/email', origin: base, cookie: undefined });
    expect(JSON.parse(sent?.body ?? '')).toEqual({ email: 'ada@example.test', password: 'correct horse' });
  });

  test('the state directory is the one of the environment', async () => {
    await login({ env: { MONO_STATE_DIR: '', XDG_STATE_HOME: join(directory, 'xdg') } });
    expect(existsSync(join(directory, 'xdg', 'monoauth', 'session.json'))).toBe(true);
  });

  test('a session that others can read is not used', async () => {
    await login();
    chmodSync(join(directory, 'state', 'session.json'), 0o644);
    expect(await cli(['whoami'])).toMatchObject({ code: 2, out: '' });
  });

  test('the session gives tokens, until the logout', async () => {
    await login();
    const { code, out } = await cli(['whoami', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ principal: 'user:usr_01arz3ndektsv4rrffq69g5fav', scope: ['orders:read'] });
    const minted = await cli(['token', 'mint', '--aud', 'https://orders.test', '--scope', 'orders:read']);
    expect(minted.out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(JSON.parse(requests.at(-1)?.body ?? '')).toEqual({ audience: 'https://orders.test', scope: 'orders:read' });
    expect(requests.at(-1)).toMatchObject({ cookie: 's=abc; d=1', origin: base });
    expect((await cli(['logout'])).code).toBe(0);
    expect((await cli(['whoami'])).code).toBe(4);
  });

  test('a password is not sent over the open net', async () => {
    const args = [
      'login',
      '--server',
      'http://auth.example.test',
      '--tenant',
      'a1',
      '--email',
      'a@b.c',
      '--password-file',
      '-',
    ];
    expect(await cli(args, { stdin: 'p' })).toMatchObject({ code: 2 });
  });

  test.each([
    ['wrong password', 401, { error: 'invalid_token', reason: 'not_authenticated', error_description: 'no' }, 4],
    ['too many attempts', 429, { reason: 'rate_limited' }, 9],
    ['audit is down', 503, { reason: 'audit_unavailable' }, 9],
    ['no such tenant', 404, {}, 3],
  ])('%s: the exit code is that of the reason', async (_, status, body, code) => {
    refusal = { status, body };
    const ran = await login();
    expect(ran).toMatchObject({ code, out: '' });
    expect(ran.err.trimEnd().split('\n')).toHaveLength(1);
  });

  test('a server that is away exits with 9, which is safe to repeat', async () => {
    const args = [
      'login',
      '--server',
      'http://127.0.0.1:1',
      '--tenant',
      'a1',
      '--email',
      'a@b.c',
      '--password-file',
      '-',
    ];
    expect(await cli(args, { stdin: 'p' })).toMatchObject({ code: refusals.unavailable.exit });
  });

  test('token verify: genuine exits with 0, everything else with 8', async () => {
    const issuer = `${base}/t/tenant-a`;
    const verify = async (token: string, aud = 'https://orders.test') =>
      (await cli(['token', 'verify', '--issuer', issuer, '--aud', aud, '--token-file', '-'], { stdin: token })).code;
    expect(await verify(await mint(issuer))).toBe(0);
    expect(await verify(await mint(issuer), 'https://other.test')).toBe(8);
    expect(await verify(await mint(issuer, { exp: 1 }))).toBe(8);
    expect(await verify(await mint(issuer, { tenant_id: '' }))).toBe(8);
    expect(await verify('nonsense')).toBe(8);
  });

  test('token inspect --offline prints the chain, and nothing that moves the terminal', async () => {
    const token = await mint('https://issuer.test', { client_id: '\u001b[2Jcli' });
    const { code, out, err } = await cli([
      ...['token', 'inspect', '--offline', '--token-file', fileWith('token', `${token}\n`)],
    ]);
    expect(code).toBe(0);
    expect(out.split('\n').slice(0, 3)).toEqual([
      'sub          user:usr_01arz3ndektsv4rrffq69g5fav',
      'act          agent:agt_01arz3ndektsv4rrffq69g5fav',
      'act.act      host:hst_01arz3ndektsv4rrffq69g5fav',
    ]);
    expect(out).not.toContain('\u001b');
    expect(err).toContain('not verified');
    expect(requests).toEqual([]);
    expect(await cli(['token', 'inspect', '--offline', '--token-file', '-'], { stdin: 'a.b' })).toMatchObject({
      code: 2,
    });
  });

  test('a client’s private key never leaves', async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(privateKey)), kid: 'k' }] });
    const args = ['client', 'create', '--name', 'x', '--kind', 'service', '--jwks-file', fileWith('jwks.json', jwks)];
    expect(await cli(args, { env: { MONO_TOKEN: await mint(`${base}/t/tenant-a`) } })).toMatchObject({ code: 2 });
    expect(requests).toEqual([]);
  });
});
