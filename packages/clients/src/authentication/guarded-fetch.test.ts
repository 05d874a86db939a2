import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fetchGuarded, type GuardedFetchOptions } from './guarded-fetch.ts';
import { isSpecialUse } from './special-addresses.ts';

let server: Server;
let base: string;
let asked: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (request.url === '/redirect') return void response.writeHead(302, { location: '/good' }).end();
    if (request.url === '/error') return void response.writeHead(500).end('{}');
    if (request.url === '/long') return void response.end('x'.repeat(2_000));
    if (request.url === '/endless') return void response.write('x');
    if (request.url === '/torn') {
      response.writeHead(200, { 'content-length': '10' }).write('x');
      return void setTimeout(() => response.destroy(), 20);
    }
    if (request.url === '/bytes') return void response.end(Buffer.from([0xff]));
    response.end(JSON.stringify({ host: request.headers.host }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const get = (url: string, options: Partial<GuardedFetchOptions> = {}) =>
  fetchGuarded(url, {
    bytesMax: 1_000,
    msMax: 500,
    allowLoopback: true,
    resolve: async () => ['127.0.0.1'],
    ...options,
  });
const refused = expect.objectContaining({ reason: 'invalid_request' });

test('a document is got from the address that was looked at, under the name of its host', async () => {
  let resolved = 0;
  // Whoever answers the second question differently is not asked a second time.
  const resolve = async () => [resolved++ === 0 ? '127.0.0.1' : '192.0.2.1'];
  expect(JSON.parse(await get(`${base}/good`, { resolve }))).toEqual({ host: new URL(base).host });
  expect(resolved).toBe(1);
});

test.each(['/redirect', '/error', '/long', '/endless', '/torn'])('%s is no answer', async (path) => {
  await expect(get(`${base}${path}`)).rejects.toEqual(refused);
});

test('a redirect is not followed', async () => {
  asked = [];
  await expect(get(`${base}/redirect`)).rejects.toEqual(refused);
  expect(asked).toEqual(['/redirect']);
});

test.each([
  'ftp://keys.example/x',
  'http://keys.example/x',
  'https://user:x@keys.example/x',
  'https://keys.example/x#y',
  'keys.example',
  'file:///etc/passwd',
])('%s is not asked for', async (url) => {
  await expect(get(url)).rejects.toEqual(refused);
});

test.each([
  '127.0.0.1',
  '10.1.2.3',
  '172.31.0.1',
  '192.168.0.1',
  '169.254.169.254',
  '100.64.0.1',
  '0.0.0.0',
  '255.255.255.255',
  '224.0.0.1',
  '::1',
  '::',
  '::ffff:10.0.0.1',
  '::ffff:8.8.8.8',
  '64:ff9b::a00:1',
  'fe80::1',
  'fc00::1',
  'fd12::1',
  'ff02::1',
  '2001:db8::1',
  '2002:a00:1::1',
  'nonsense',
])('a host at %s is not asked, even beside a public address', async (address) => {
  expect(isSpecialUse(address)).toBe(true);
  for (const addresses of [[address], ['93.184.216.34', address]]) {
    const answer = get('https://keys.example/x', { allowLoopback: false, resolve: async () => addresses });
    await expect(answer).rejects.toMatchObject({ detail: expect.stringContaining('not public') });
  }
});

test.each(['93.184.216.34', '8.8.8.8', '2606:2800:220:1:248:1893:25c8:1946'])('%s is public', (address) => {
  expect(isSpecialUse(address)).toBe(false);
});

test('loopback is asked only by an installation that is there itself', async () => {
  await expect(get(`${base}/good`, { allowLoopback: false })).rejects.toEqual(refused);
  // The name says loopback and the address does not: special, and not ours.
  await expect(get(`${base}/good`, { resolve: async () => ['10.0.0.1'] })).rejects.toEqual(refused);
});

test('a host without an address, and a resolver that never answers, end in time', async () => {
  await expect(get('https://keys.example/', { resolve: async () => [] })).rejects.toEqual(refused);
  await expect(get('https://keys.example/', { resolve: () => new Promise(() => {}) })).rejects.toEqual(refused);
});

test('what is no UTF-8 is no text', async () => {
  await expect(get(`${base}/bytes`)).rejects.toThrow();
});
