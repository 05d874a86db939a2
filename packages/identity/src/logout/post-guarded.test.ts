import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GuardedPostOptions, postGuarded } from './post-guarded.ts';

let server: Server;
let port: number;
const asked: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.headers.host}${request.url}`);
    if (request.url === '/redirect') return void response.writeHead(302, { location: '/good' }).end();
    if (request.url === '/never') return;
    if (request.url === '/endless') return void response.writeHead(200).write('x');
    response.end('x'.repeat(1_000_000));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const post = (url: string, options: Partial<GuardedPostOptions> = {}) =>
  postGuarded(url, new URLSearchParams({ a: 'b' }), {
    ...{ msMax: 500, allowLoopback: true, resolve: async () => ['127.0.0.1'] },
    ...options,
  });

test('a form goes to the address that was looked at, under the name of its host, and no redirect is followed', async () => {
  let resolved = 0;
  const resolve = async () => [resolved++ === 0 ? '127.0.0.1' : '192.0.2.1'];
  expect(await post(`http://client.localhost:${port}/good`, { resolve })).toBe(200);
  expect(await post(`http://127.0.0.1:${port}/redirect`)).toBe(302);
  expect(resolved).toBe(1);
  expect(asked.slice(-2)).toEqual([`client.localhost:${port}/good`, `127.0.0.1:${port}/redirect`]);
  expect(await post(`http://127.0.0.1:${port}/endless`)).toBe(200);
});

test('who does not answer in time, or has no address, ends it', async () => {
  await expect(post(`http://127.0.0.1:${port}/never`)).rejects.toThrow(/time|abort/i);
  await expect(post('https://client.example/', { resolve: () => new Promise(() => {}) })).rejects.toThrow('in time');
  await expect(post('https://client.example/', { resolve: async () => [] })).rejects.toThrow('no address');
  await expect(post('http://127.0.0.1:1/')).rejects.toThrow();
});

test.each([
  ...[
    '127.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.0.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '255.255.255.255',
  ],
  ...[
    '224.0.0.1',
    '::1',
    '::',
    '::ffff:10.0.0.1',
    '64:ff9b::a00:1',
    'fe80::1',
    'fd12::1',
    'ff02::1',
    '2002:a00:1::1',
    'x',
  ],
])('a host at %s is not asked, even beside a public address', async (address) => {
  for (const addresses of [[address], ['93.184.216.34', address], [address, '93.184.216.34']]) {
    const sent = post('https://client.example/', { allowLoopback: false, resolve: async () => addresses });
    await expect(sent).rejects.toThrow('not public');
  }
});

test.each([
  ...[
    'ftp://a.example/',
    'http://a.example/',
    'https://u:p@a.example/',
    'https://a.example/#x',
    'file:///etc/passwd',
    'x',
  ],
])('%s is not asked', async (url) => {
  await expect(post(url, { resolve: async () => ['93.184.216.34'] })).rejects.toThrow();
});

test('loopback is asked only by an installation that stands there itself', async () => {
  await expect(post(`http://127.0.0.1:${port}/good`, { allowLoopback: false })).rejects.toThrow('https');
  await expect(post('https://127.0.0.1/', { allowLoopback: false })).rejects.toThrow('not public');
  await expect(post(`http://localhost:${port}/`, { resolve: async () => ['10.0.0.1'] })).rejects.toThrow('not public');
});
