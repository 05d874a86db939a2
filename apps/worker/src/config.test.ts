import { expect, test } from 'vitest';
import { ConfigError, readConfig } from './config.ts';

const good = {
  MONO_DATABASE_URL: 'postgres://u:secret@db.example/mono',
  MONO_BASE_URL: 'https://id.example.com',
  MONO_KEK: Buffer.alloc(32, 7).toString('base64url'),
};

test('a complete environment is read', () => {
  expect(readConfig({ ...good, PATH: '/bin' })).toEqual({
    databaseUrl: good.MONO_DATABASE_URL,
    redisUrl: undefined,
    baseUrl: good.MONO_BASE_URL,
    kek: new Uint8Array(32).fill(7),
  });
});

test.each([
  ['MONO_DATABASE_URL', undefined],
  ['MONO_DATABASE_URL', ''],
  ['MONO_DATABASE_URL', 'mysql://u:secret@db/mono'],
  ['MONO_DATABASE_URL', 'secret'],
  ['MONO_REDIS_URL', 'http://u:secret@store'],
  ['MONO_BASE_URL', undefined],
  ['MONO_BASE_URL', 'https://id.example.com/'],
  ['MONO_BASE_URL', 'http://id.example.com'],
  ['MONO_KEK', undefined],
  ['MONO_KEK', ''],
  ['MONO_KEK', 'secret'],
])(
  'a bad %s (%s) stops the start with one line that names it, says what is allowed and repeats no secret',
  (name, value) => {
    let error: unknown;
    try {
      readConfig({ ...good, [name]: value });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(ConfigError);
    const { message } = error as Error;
    expect(message).toMatch(new RegExp(`^${name}:? .*; allowed: `));
    expect(message).not.toMatch(/\n|secret/);
  },
);
