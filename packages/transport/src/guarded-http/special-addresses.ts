import { BlockList, isIP } from 'node:net';

/** Special-use blocks that no public service stands in (RFC 6890 with the IANA registries, multicast besides). */
const v4Blocks: readonly [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];
/** The only block of global unicast addresses (RFC 4291 §2.4), and what lies in it without being public. */
const v6Public: readonly [string, number] = ['2000::', 3];
const v6Blocks: readonly [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  // 6to4 carries an IPv4 address, which may be any (RFC 3056).
  ['2002::', 16],
  ['3fff::', 20],
];

const special = new BlockList();
for (const [net, prefix] of v4Blocks) special.addSubnet(net, prefix, 'ipv4');
for (const [net, prefix] of v6Blocks) special.addSubnet(net, prefix, 'ipv6');
const publicV6 = new BlockList();
publicV6.addSubnet(...v6Public, 'ipv6');
const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether an address is one that a stranger's URL must not lead us to; what is no address counts as one. */
export function isSpecialUse(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return special.check(address, 'ipv4');
  // IPv4-mapped, NAT64 and everything else outside global unicast is not looked into but refused.
  if (family === 6) return !publicV6.check(address, 'ipv6') || special.check(address, 'ipv6');
  return true;
}

export function isLoopbackAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
