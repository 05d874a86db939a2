import { createHash, X509Certificate } from 'node:crypto';
import { loopbackTls } from '@mono-auth/testing';
import { describe, expect, test } from 'vitest';
import { takeCertificate } from './client-certificate.ts';

const source = { header: 'x-ssl-cert', trustedProxies: ['10.0.0.0/8', '127.0.0.1', 'fd00::/8'] };
const { raw } = new X509Certificate(loopbackTls.cert);
const shown = { subjectDn: 'CN=localhost', thumbprint: createHash('sha256').update(raw).digest('base64url') };
const pem = encodeURIComponent(loopbackTls.cert);

function take(value: string, ip: string, from: typeof source | null = source) {
  const headers = new Headers({ 'x-ssl-cert': value, accept: 'x' });
  const certificate = takeCertificate(new Headers(headers), headers, ip, from ?? undefined);
  return { certificate, left: [...headers.keys()] };
}

describe('the certificate header of a TLS client', () => {
  test.each(['10.1.2.3', '127.0.0.1', '::ffff:10.1.2.3', 'fd00::5'])('counts from the trusted proxy %s', (ip) => {
    expect(take(pem, ip)).toEqual({ certificate: shown, left: ['accept'] });
  });

  test.each(['11.0.0.1', '127.0.0.2', '::1', '', 'x', '::ffff:11.0.0.1'])(
    'from %s is taken out and counts for nothing',
    (ip) => {
      expect(take(pem, ip)).toEqual({ certificate: undefined, left: ['accept'] });
    },
  );

  test('is read as PEM and as RFC 9440 has it', () => {
    expect(take(`:${raw.toString('base64')}:`, '127.0.0.1').certificate).toEqual(shown);
  });

  test.each(['', 'x', '%zz', ':AAAA:', '-----BEGIN CERTIFICATE-----', `${pem}, ${pem}`, `x, ${pem}`])(
    'that cannot be read, or is there twice, proves nothing: %s',
    (value) => {
      expect(take(value, '127.0.0.1')).toEqual({ certificate: undefined, left: ['accept'] });
    },
  );

  test('is no header of ours where none is named', () => {
    expect(take(pem, '127.0.0.1', null)).toEqual({ certificate: undefined, left: ['accept', 'x-ssl-cert'] });
  });
});
