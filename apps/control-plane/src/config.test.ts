import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ConfigError, readConfig } from './index.ts';

function errorOf(env: Record<string, string>): Error {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('the configuration was accepted');
}

test('without any variable the server is a standalone one on loopback', () => {
  expect(readConfig({})).toMatchObject({
    MONO_ROLE: 'standalone',
    MONO_LISTEN: { host: '127.0.0.1', port: 8420 },
    MONO_GRPC_LISTEN: { host: '127.0.0.1', port: 8421 },
    MONO_ADMIN_LISTEN: { host: '127.0.0.1', port: 8422 },
    MONO_DATA_DIR: '.mono',
  });
});

test('an empty variable is an absent one', () => {
  expect(readConfig({ MONO_LISTEN: '', MONO_BASE_URL: '', MONO_BOOTSTRAP_EMAIL: '' })).toEqual(readConfig({}));
});

test.each([
  ['MONO_ROLE', 'everything'],
  ['MONO_ROLE', 'gateway'],
  ['MONO_PROCESSES', '0'],
  ['MONO_PROCESSES', '9'],
  ['MONO_PROCESSES', 'many'],
  ['MONO_LISTEN', '8420'],
  ['MONO_LISTEN', '127.0.0.1:99999'],
  ['MONO_LISTEN', 'http://127.0.0.1:8420'],
  ['MONO_ADMIN_LISTEN', 'localhost'],
  ['MONO_GRPC_LISTEN', ':8421'],
  ['MONO_GRPC_LISTEN', '127.0.0.1:8420'],
  ['MONO_REDIS_URL', 'localhost:6379'],
  ['MONO_REDIS_URL', 'http://localhost:6379'],
  ['MONO_BASE_URL', 'auth.example.com'],
  ['MONO_BASE_URL', 'https://auth.example.com/'],
  ['MONO_BASE_URL', 'https://auth.example.com/t'],
  ['MONO_BASE_URL', 'http://auth.example.com'],
  ['MONO_BASE_URL', 'ftp://auth.example.com'],
  ['MONO_DATABASE_URL', 'postgres://u:100%secret@h/d'],
  ['MONO_DATABASE_URL', 'mysql://root@localhost/mono'],
  ['MONO_DATABASE_URL', 'localhost:5432'],
  ['MONO_BOOTSTRAP_EMAIL', 'operator'],
  ['MONO_BOOTSTRAP_PASSWORD', 'short'],
  ['MONO_BOOTSTRAP_PASSWORD', 'x'.repeat(129)],
  ['MONO_BOOTSTRAP_PASSWORD_FILE', '/nowhere/at/all'],
  ['MONO_CLIENT_CERT_HEADER', 'x client cert'],
  ['MONO_TRUSTED_PROXIES', 'proxy.example'],
  ['MONO_TRUSTED_PROXIES', '10.0.0.0/33'],
  ['MONO_TRUSTED_PROXIES', '10.0.0.1,'],
])('%s=%s stops the start with one line that names it', (name, value) => {
  const error = errorOf({ [name]: value });
  expect(error).toBeInstanceOf(ConfigError);
  expect(error.message).toMatch(new RegExp(`^${name}: .+`));
  expect(error.message).not.toContain('\n');
});

test('a bad password is never repeated in the message', () => {
  expect(errorOf({ MONO_BOOTSTRAP_PASSWORD: 'secret-word' }).message).not.toContain('secret-word');
});

test('a server that listens beyond loopback must be told its own name', () => {
  expect(errorOf({ MONO_LISTEN: '0.0.0.0:8420' }).message).toMatch(/^MONO_BASE_URL: /);
  const named = { MONO_LISTEN: '0.0.0.0:8420', MONO_BASE_URL: 'https://auth.example.com' };
  expect(readConfig(named).MONO_BASE_URL).toBe('https://auth.example.com');
});

test('a header for certificates needs somebody who is trusted with it', () => {
  expect(errorOf({ MONO_CLIENT_CERT_HEADER: 'X-Cert' }).message).toMatch(/^MONO_TRUSTED_PROXIES: /);
  const env = { MONO_CLIENT_CERT_HEADER: 'X-Cert', MONO_TRUSTED_PROXIES: '10.0.0.0/8, ::1' };
  expect(readConfig(env)).toMatchObject({
    MONO_CLIENT_CERT_HEADER: 'x-cert',
    MONO_TRUSTED_PROXIES: ['10.0.0.0/8', '::1'],
  });
});

test.each([
  ['127.0.0.1:0', '127.0.0.1'],
  ['[::1]:8420', '::1'],
  ['localhost:1', 'localhost'],
])('it may listen on %s without a base URL', (value, host) => {
  expect(readConfig({ MONO_LISTEN: value }).MONO_LISTEN.host).toBe(host);
});

test.each(['http://localhost:8420', 'http://acme.localhost', 'http://127.0.0.1:1', 'http://[::1]:8420'])(
  'plain http is taken on loopback: %s',
  (url) => {
    expect(readConfig({ MONO_BASE_URL: url }).MONO_BASE_URL).toBe(url);
  },
);

test('the first password may stand in a file, whose last newline is not part of it', () => {
  const directory = mkdtempSync(join(tmpdir(), 'mono-config-'));
  try {
    const path = join(directory, 'password');
    writeFileSync(path, 'correct horse battery\n');
    expect(readConfig({ MONO_BOOTSTRAP_PASSWORD_FILE: path }).MONO_BOOTSTRAP_PASSWORD).toBe('correct horse battery');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
