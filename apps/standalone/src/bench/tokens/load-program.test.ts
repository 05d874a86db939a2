import { exportJWK, generateKeyPair, type JWTPayload, jwtVerify } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ChildProgram, startProgram } from '../child-program.ts';
import { basic, type Contestant, formRequest } from './contestant.ts';
import type { LoadResult, LoadTask, PrivateJwk } from './load-task.ts';
import { measureRows } from './rounds.ts';

interface Seen {
  readonly path: string;
  readonly authorization: string | null;
  readonly form: URLSearchParams;
}

const connections = 4;
let seen: Seen[] = [];
let answer: (count: number) => Response = () => Response.json({});
let generator: ChildProgram;
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  async fetch(request) {
    const form = new URLSearchParams(await request.text());
    const path = new URL(request.url).pathname;
    seen.push({ path, authorization: request.headers.get('authorization'), form });
    return answer(seen.length);
  },
});

beforeAll(() => {
  generator = startProgram('./tokens/load-program.ts');
});
beforeEach(() => {
  seen = [];
  answer = (count) => Response.json({ count });
});
afterAll(async () => {
  await generator.end();
  await server.stop(true);
});

async function run(load: Pick<LoadTask, 'requests' | 'assertions'>, roundMs: number): Promise<LoadResult> {
  generator.say(JSON.stringify({ host: '127.0.0.1', port: server.port, connections, roundMs, ...load }));
  return JSON.parse(await generator.line()) as LoadResult;
}

describe('the load generator', () => {
  test('counts exactly what was answered, and sends its requests in turn', async () => {
    const requests = ['/a', '/b'].map((path) =>
      formRequest(path, { grant_type: 'g' }, basic({ id: 'i', secret: 's' })),
    );
    const result = await run({ requests }, 100);
    expect(result.answered).toBeGreaterThan(2 * connections);
    expect(result).toMatchObject({ answered: seen.length, failures: 0 });
    expect(result.p99Ms).toBeGreaterThanOrEqual(result.p50Ms);
    expect(result.elapsedMs).toBeGreaterThanOrEqual(100);
    expect(Math.abs(seen.filter(({ path }) => path === '/a').length - seen.length / 2)).toBeLessThanOrEqual(1);
    expect(new Set(seen.map(({ authorization }) => authorization))).toEqual(new Set([`Basic ${btoa('i:s')}`]));
  });

  test('sends each assertion once, good for its audience, and stops when none is left', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const privateJwk = { ...(await exportJWK(privateKey)), kid: 'k' } as PrivateJwk;
    const assertions = { clientId: 'cli', audience: 'https://id.test', privateJwk, count: 50 };
    const result = await run({ requests: [formRequest('/', { grant_type: 'g' })], assertions }, 60_000);
    expect(result).toMatchObject({ answered: 50, failures: 0 });
    const claims: JWTPayload[] = [];
    for (const { form } of seen) {
      expect(form.get('grant_type')).toBe('g');
      const expected = { audience: 'https://id.test', issuer: 'cli', subject: 'cli' };
      claims.push((await jwtVerify(form.get('client_assertion') ?? '', publicKey, expected)).payload);
    }
    expect(new Set(claims.map(({ jti }) => jti)).size).toBe(50);
  });

  test('names the first answer that is not 2xx', async () => {
    answer = (count) => (count === 20 ? Response.json({ error: 'slow_down' }, { status: 429 }) : Response.json({}));
    const result = await run({ requests: [formRequest('/', {})] }, 200);
    expect(result.failures).toBe(1);
    expect(result.firstFailure).toContain('429');
    expect(result.firstFailure).toContain('slow_down');
  });
});

describe('rounds', () => {
  const row: Contestant = {
    name: 'a row',
    server: { url: new URL(`http://127.0.0.1:${server.port}`), pid: process.pid },
    issuers: new Map([['https://id.test', new URL(`http://127.0.0.1:${server.port}/jwks`)]]),
    prepare: async () => ({ requests: [formRequest('/', {})] }),
    tokenOf: () => 'no.token.atall',
  };
  const schedule = { rounds: 1, roundMs: 20, warmUpMs: 20, connections };

  test('one refusal ends the whole measurement', async () => {
    answer = (count) => Response.json({ error: 'invalid_client' }, { status: count > 10 ? 401 : 200 });
    await expect(measureRows([row], generator, schedule)).rejects.toThrow(/a row: \d failures, the first: .*401/);
  });
});
