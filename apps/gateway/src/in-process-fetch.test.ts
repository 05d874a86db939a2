import { newId } from '@mono-auth/core/ids';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import type { Ingress } from '@mono-auth/transport';
import { expect, test } from 'vitest';
import { inProcessFetch } from './in-process-fetch.ts';

const tenant = { id: newId(runtime, 'ten'), slug: 'acme', status: 'active' };
const url = 'http://mono.test/t/acme/jwks';

test('a request goes to the tenant under an id of its own, as if it had come through the edge', async () => {
  const seen: Ingress[] = [];
  const forward = async (request: Request, ingress: Ingress) => {
    seen.push(ingress);
    return new Response(await request.text(), { status: 201, headers: { 'x-kept': 'yes' } });
  };
  const fetch = inProcessFetch({ forward, runtime }, tenant);
  const answer = await fetch(url, { method: 'POST', body: 'asked' });
  expect([answer.status, answer.headers.get('x-kept'), await answer.text()]).toEqual([201, 'yes', 'asked']);
  await fetch(url);
  expect(seen[0]).toMatchObject({ tenant: { id: tenant.id, slug: 'acme' }, refusal: undefined });
  expect(seen[0]?.requestId).not.toBe(seen[1]?.requestId);
});

test('who leaves waits neither for an answer nor for the rest of one', async () => {
  const left = new AbortController();
  const silent = inProcessFetch({ forward: () => new Promise(() => {}), runtime }, tenant);
  const waiting = silent(url, { signal: left.signal });
  let cancelled = false;
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(Uint8Array.of(1)),
      cancel() {
        cancelled = true;
      },
    });
  const streaming = inProcessFetch({ forward: async () => new Response(endless()), runtime }, tenant);
  const reader = (await streaming(url, { signal: left.signal })).body?.getReader();
  expect((await reader?.read())?.value).toEqual(Uint8Array.of(1));
  left.abort(new Error('left'));
  await expect(waiting).rejects.toThrow('left');
  await expect(
    (async () => {
      // What is buffered may still come.
      for (let read = 0; read < 10_000; read++) await reader?.read();
    })(),
  ).rejects.toThrow('left');
  expect(cancelled).toBe(true);
  await expect(silent(url, { signal: left.signal })).rejects.toThrow('left');
});
