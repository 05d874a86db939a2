import { lookup } from 'node:dns/promises';
import http from 'node:http';
import https from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';

export interface GuardedPostOptions {
  readonly msMax: number;
  /** For an installation that is itself on loopback: then, and only then, its neighbours there are reached, by http too. */
  readonly allowLoopback: boolean;
  /** Addresses of a host name; the system's resolver by default. */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>;
}

/** Special-use addresses (RFC 6890 and the IANA registries): what stands there is somebody's inside. */
const special = new BlockList();
for (const [net, prefix] of [
  ...([
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
  ] as const),
  ...([
    ['172.16.0.0', 12],
    ['192.0.0.0', 24],
    ['192.0.2.0', 24],
    ['192.31.196.0', 24],
  ] as const),
  ...([
    ['192.52.193.0', 24],
    ['192.88.99.0', 24],
    ['192.168.0.0', 16],
    ['192.175.48.0', 24],
  ] as const),
  ...([
    ['198.18.0.0', 15],
    ['198.51.100.0', 24],
    ['203.0.113.0', 24],
    ['224.0.0.0', 3],
  ] as const),
])
  special.addSubnet(net, prefix, 'ipv4');
for (const [net, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  special.addSubnet(net, prefix, 'ipv6');
/** Global unicast (RFC 4291 §2.4); all else of IPv6 is refused without a closer look, mapped IPv4 with it. */
const globalV6 = new BlockList();
globalV6.addSubnet('2000::', 3, 'ipv6');
const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Posts a form to a URL that a tenant named. It must not become a way into our network: https, no redirects, no
 * special-use address, the connection made to the address that was looked at, and a bound of time. The answer's body is
 * never read.
 * @returns the status.
 * @throws Error that says why nothing was sent or answered.
 */
export async function postGuarded(uri: string, form: URLSearchParams, options: GuardedPostOptions): Promise<number> {
  const url = readUrl(uri, options);
  const signal = AbortSignal.timeout(options.msMax);
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('no answer in time')), { once: true });
  });
  late.catch(() => {});
  return Promise.race([late, pinnedAddress(url, options).then((address) => send(url, address, form, signal))]);
}

function readUrl(uri: string, { allowLoopback }: GuardedPostOptions): URL {
  const url = URL.parse(uri);
  const scheme = url?.protocol === 'https:' || (allowLoopback && url?.protocol === 'http:');
  if (!url || !scheme || url.username || url.password || url.hash) throw new Error('not an https URL');
  return url;
}

async function pinnedAddress(url: URL, { allowLoopback, resolve = resolveAll }: GuardedPostOptions): Promise<string> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(host) ? [host] : await resolve(host);
  const [first] = addresses;
  if (first === undefined) throw new Error('its host has no address');
  const near = addresses.every((address) => inList(loopback, address));
  if (near ? !allowLoopback : url.protocol !== 'https:' || addresses.some(isSpecialUse)) {
    throw new Error('its host is not public');
  }
  return first;
}

async function resolveAll(hostname: string): Promise<readonly string[]> {
  return (await lookup(hostname, { all: true })).map(({ address }) => address);
}

function isSpecialUse(address: string): boolean {
  return isIP(address) === 6
    ? !globalV6.check(address, 'ipv6') || special.check(address, 'ipv6')
    : isIP(address) === 0 || special.check(address, 'ipv4');
}

function inList(list: BlockList, address: string): boolean {
  return isIP(address) !== 0 && list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}

function send(url: URL, address: string, form: URLSearchParams, signal: AbortSignal): Promise<number> {
  const body = form.toString();
  const family = isIP(address);
  const pinned: LookupFunction = (_host, options, answer) =>
    options.all ? answer(null, [{ address, family }]) : answer(null, address, family);
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) };
  const { request } = url.protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers, lookup: pinned, agent: false, signal }, (response) => {
      resolve(response.statusCode ?? 0);
      response.destroy();
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
