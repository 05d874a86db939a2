import { createHash, X509Certificate } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import type { ClientCertificate } from '@mono-auth/transport';

/** Who may tell us of the certificate of a TLS client, and how. */
export interface CertificateSource {
  /** Name of the header, lower case. Its value: PEM, URL-encoded as nginx and Envoy write it, or RFC 9440 (`:base64:`). */
  readonly header: string;
  /** Addresses of the proxies: CIDR, or one address. */
  readonly trustedProxies: readonly string[];
}

/**
 * Takes the certificate header out of what is passed on, and answers what it says when a trusted proxy sent it. The
 * proxy has checked chain and possession; who it is, is for the client's registration to say (RFC 8705 §2.1).
 */
export function takeCertificate(
  incoming: Headers,
  headers: Headers,
  ip: string,
  source: CertificateSource | undefined,
): ClientCertificate | undefined {
  if (!source) return undefined;
  const value = incoming.get(source.header);
  headers.delete(source.header);
  // Two headers reach us joined by a comma, which neither form has: one of them is the client's own.
  if (value === null || value.includes(',') || !isTrusted(ip, source.trustedProxies)) return undefined;
  try {
    const certificate = new X509Certificate(decode(value));
    const thumbprint = createHash('sha256').update(certificate.raw).digest('base64url');
    return { subjectDn: rfc4514(certificate.subject), thumbprint };
  } catch {
    // What cannot be read proves nothing; the client is refused for having shown none.
    return undefined;
  }
}

function decode(value: string): string | Uint8Array {
  const der = /^:([A-Za-z0-9+/]+=*):$/.exec(value)?.[1];
  return der === undefined ? decodeURIComponent(value) : new Uint8Array(Buffer.from(der, 'base64'));
}

/** Node prints one attribute a line, the root's first; RFC 4514 §2.1 begins at the other end. */
function rfc4514(subject: string): string {
  const lines = subject.split('\n').reverse();
  return lines.map((line) => line.replace(/^([^=]+)=(.*)$/, (_, type, value) => `${type}=${escaped(value)}`)).join(',');
}

/** RFC 4514 §2.4; what Node has escaped already stays as it is. */
function escaped(value: string): string {
  return value.replace(/\\?([",+;<>\\])/g, '\\$1');
}

function isTrusted(ip: string, proxies: readonly string[]): boolean {
  const list = new BlockList();
  for (const proxy of proxies) {
    const [net = '', prefix] = proxy.split('/');
    const type = isIP(net) === 6 ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(net, type);
    else list.addSubnet(net, Number(prefix), type);
  }
  // A dual-stack socket writes IPv4 peers as IPv6 (RFC 4291 §2.5.5.2).
  const plain = ip.replace(/^::ffff:(?=\d+\.)/i, '');
  const family = isIP(plain);
  return family !== 0 && list.check(plain, family === 6 ? 'ipv6' : 'ipv4');
}
