import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GuardedOptions, getGuarded, postGuarded } from './guarded-http.ts';
import { isSpecialUse } from './special-addresses.ts';

let server: Server;
let base: string;
let asked: string[] = [];

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    asked.push(`${request.method} ${request.headers.host}${request.url} ${body}`);
    if (request.url === '/redirect') return void response.writeHead(302, { location: '/good' }).end();
    if (request.url === '/error') return void response.writeHead(500).end('{}');
    if (request.url === '/long') return void response.end('x'.repeat(2_000));
    if (request.url === '/endless') return void response.write('x');
    if (request.url === '/never') return;
    if (request.url === '/torn') {
      response.writeHead(200, { 'content-length': '10' }).write('x');
      return void setTimeout(() => response.destroy(), 20);
    }
    if (request.url === '/bytes') return void response.end(Buffer.from([0xff]));
    response.setHeader('content-type', 'application/json').setHeader('cache-control', 'max-age=5').end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://client.localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked = [];
});

const defaults: GuardedOptions = { msMax: 500, allowLoopback: true, resolve: async () => ['127.0.0.1'] };
const ways = [
  [
    'get',
    (url: string, options: Partial<GuardedOptions> = {}) =>
      getGuarded(url, { bytesMax: 1_000, ...defaults, ...options }),
  ],
  [
    'post',
    (url: string, options: Partial<GuardedOptions> = {}) =>
      postGuarded(url, new URLSearchParams({ a: 'b c' }), { ...defaults, ...options }),
  ],
] as const;
const [[, get], [, post]] = ways;

test('a text is got with what its server says of it, a form is posted, and each once', async () => {
  expect(await get(`${base}/good?q=1`)).toEqual({
    text: '{}',
    contentType: 'application/json',
    cacheControl: 'max-age=5',
  });
  expect(await post(`${base}/good`)).toBe(200);
  const host = new URL(base).host;
  expect(asked).toEqual([`GET ${host}/good?q=1 `, `POST ${host}/good a=b+c`]);
});

test.each(['/redirect', '/error', '/long', '/endless', '/torn', '/bytes', '/never'])('%s is no text', async (path) => {
  await expect(get(`${base}${path}`)).rejects.toThrow(/^it /);
});

test.each([
  ['/redirect', 302],
  ['/error', 500],
  ['/long', 200],
  ['/endless', 200],
] as const)('a form to %s is answered by its status alone, %i', async (path, status) => {
  expect(await post(`${base}${path}`)).toBe(status);
});

describe.each(ways)('%s', (_, ask) => {
  test('the address that was looked at is the one that is asked, and no redirect is followed', async () => {
    let resolved = 0;
    // Whoever answers the second question differently is not asked a second time.
    const resolve = async () => [resolved++ === 0 ? '127.0.0.1' : '192.0.2.1'];
    await ask(`${base}/redirect`, { resolve }).catch(() => {});
    expect([resolved, asked.length]).toEqual([1, 1]);
  });

  test.each([
    'ftp://keys.example/x',
    'http://keys.example/x',
    'https://user:x@keys.example/x',
    'https://keys.example/x#y',
    'keys.example',
    'file:///etc/passwd',
  ])('%s is not asked', async (url) => {
    await expect(ask(url, { resolve: async () => ['93.184.216.34'] })).rejects.toThrow(
      /^(not an https URL|has a user)/,
    );
  });

  test.each([
    ...['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.0.1', '169.254.169.254', '100.64.0.1', '0.0.0.0'],
    ...['255.255.255.255', '224.0.0.1', '::1', '::', '::ffff:10.0.0.1', '::ffff:8.8.8.8', '64:ff9b::a00:1'],
    ...['fe80::1', 'fc00::1', 'fd12::1', 'ff02::1', '2001:db8::1', '2002:a00:1::1', 'nonsense'],
  ])('a host at %s is not asked, even beside a public address', async (address) => {
    expect(isSpecialUse(address)).toBe(true);
    for (const addresses of [[address], ['93.184.216.34', address], [address, '93.184.216.34']]) {
      const answer = ask('https://keys.example/x', { allowLoopback: false, resolve: async () => addresses });
      await expect(answer).rejects.toThrow('not public');
    }
  });

  test('loopback is asked only by an installation that is there itself', async () => {
    await expect(ask(`${base}/good`, { allowLoopback: false })).rejects.toThrow('not an https URL');
    await expect(ask('https://127.0.0.1/', { allowLoopback: false })).rejects.toThrow('not public');
    // The name says loopback and the address does not: special, and not ours.
    await expect(ask(`${base}/good`, { resolve: async () => ['10.0.0.1'] })).rejects.toThrow('not public');
    expect(asked).toEqual([]);
  });

  test('a host without an address, a resolver that never answers, and a server that never does, end in time', async () => {
    await expect(ask('https://keys.example/', { resolve: async () => [] })).rejects.toThrow('no address');
    const never = () => new Promise<never>(() => {});
    await expect(ask('https://keys.example/', { resolve: never })).rejects.toThrow('in time');
    await expect(ask(`${base}/never`)).rejects.toThrow('in time');
    await expect(ask('http://127.0.0.1:1/')).rejects.toThrow('cannot be reached');
  });
});

test.each(['93.184.216.34', '8.8.8.8', '2606:2800:220:1:248:1893:25c8:1946'])('%s is public', (address) => {
  expect(isSpecialUse(address)).toBe(false);
});
