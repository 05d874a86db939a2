import { afterEach, expect, test } from 'vitest';
import { type Listener, openListener } from './listener.ts';

let listener: Listener;
const open = () => {
  listener = openListener('MONO_LISTEN', { host: '127.0.0.1', port: 0 }, () => {});
  return `http://127.0.0.1:${listener.port}`;
};
afterEach(() => listener.stop(0));

/** How long `work` takes, by the only clock a real network knows. */
async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const started = Bun.nanoseconds();
  await work();
  return (Bun.nanoseconds() - started) / 1e6;
}

test('until it is handed over the port answers that we are starting', async () => {
  const response = await fetch(open());
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('1');
});

test('a port that somebody has is named with its variable and what is allowed', async () => {
  open();
  const again = () => openListener('MONO_ADMIN_LISTEN', { host: '127.0.0.1', port: listener.port }, () => {});
  expect(again).toThrow(
    `MONO_ADMIN_LISTEN: 127.0.0.1:${listener.port} is taken by another program; allowed: a free address and port`,
  );
});

test('a stop waits for the answer of a request under way', async () => {
  const url = open();
  const asked = Promise.withResolvers<void>();
  listener.serve(async () => {
    asked.resolve();
    await Bun.sleep(300);
    return new Response('whole');
  });
  const answer = fetch(url).then((response) => response.text());
  await asked.promise;
  await listener.stop(3_000);
  expect(await answer).toBe('whole');
});

test('a stop ends a stream that has no end of its own at once, and its producer hears of it', async () => {
  const url = open();
  const abandoned = Promise.withResolvers<void>();
  listener.serve((request) => {
    request.signal.addEventListener('abort', () => abandoned.resolve());
    const endless = new ReadableStream({
      async pull(controller) {
        await Bun.sleep(10);
        controller.enqueue(new TextEncoder().encode('tick\n'));
      },
    });
    return new Response(endless);
  });
  const response = await fetch(url);
  const reader = response.body?.getReader();
  await reader?.read();
  expect(await millisecondsOf(() => listener.stop(3_000))).toBeLessThan(1_500);
  await abandoned.promise;
});

test('a request that never ends delays the stop for the time it is given and no longer', async () => {
  const url = open();
  const asked = Promise.withResolvers<void>();
  listener.serve(() => {
    asked.resolve();
    return new Promise<Response>(() => {});
  });
  const answer = fetch(url).catch(() => 'cut off');
  await asked.promise;
  const took = await millisecondsOf(() => listener.stop(400));
  expect(took).toBeGreaterThan(300);
  expect(took).toBeLessThan(2_000);
  expect(await answer).toBe('cut off');
});
