import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { type WatchResponse, WatchResponseSchema } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { as, openWiresScene, type WiresScene } from './wires-scene.ts';

let db: TestDatabase;
let scene: WiresScene;
let subscriberId: string;
beforeAll(async () => {
  db = await openTestDatabase();
  scene = await openWiresScene(db.database, testKek, 'acme');
  subscriberId = await scene.register('browser');
});
afterAll(async () => {
  await scene.close();
  await db.close();
});

interface ServerEvent {
  readonly event: string;
  readonly id: string;
  readonly data: JsonValue;
}

function get(headers: Record<string, string>, query = `subscriber_id=${subscriberId}`) {
  return fetch(`${scene.issuer}/feed?${query}`, { headers });
}

/** Reads events as a browser does (HTML §9.2.6), until `done` or the end of the stream. */
async function read(
  headers: Record<string, string>,
  done: (event: ServerEvent, count: number) => Promise<boolean> | boolean,
): Promise<{ events: ServerEvent[]; retryMs: number }> {
  const answer = await get({ ...as(scene.token).headers, ...headers });
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  const events: ServerEvent[] = [];
  let retryMs = 0;
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = Object.fromEntries(text.slice(0, end).split('\n').map(fieldOf));
      text = text.slice(end + 2);
      if (fields.retry) retryMs = Number(fields.retry);
      if (!fields.event) continue;
      const event = { event: fields.event, id: fields.id ?? '', data: JSON.parse(fields.data ?? '') };
      events.push(event);
      if (await done(event, events.length)) return { events, retryMs };
    }
  }
  return { events, retryMs };
}

const fieldOf = (line: string): [string, string] => [
  line.slice(0, line.indexOf(':')),
  line.slice(line.indexOf(':') + 2),
];
const messageOf = ({ data }: ServerEvent): WatchResponse => fromJson(WatchResponseSchema, data);

test('entries come at once, a head every second, and Last-Event-ID goes on where the consumer stood', async () => {
  const { events, retryMs } = await read({}, async ({ event }, count) => {
    if (count === 1) await scene.revokeSomething();
    return event === 'entries' && count > 1;
  });
  expect(retryMs).toBeGreaterThan(0);
  const last = events.at(-1) as ServerEvent;
  const { entries, head } = messageOf(last);
  const seq = head?.seq ?? 0n;
  expect(entries.map((entry) => entry.seq)).toEqual([seq]);
  expect(last.id).toBe(`1.${seq}.${Buffer.from(head?.hash ?? []).toString('base64url')}`);

  const times: number[] = [];
  const heads = await read({ 'last-event-id': last.id }, () => times.push(performance.now()) === 3);
  expect(heads.events.map(({ event, id }) => [event, id])).toEqual(Array(3).fill(['head', last.id]));
  // A loaded machine may be late; a stream without its timer would not come at all.
  expect((times[2] ?? 0) - (times[0] ?? 0)).toBeLessThan(4_000);

  await scene.revokeSomething();
  const resumed = await read({ 'last-event-id': last.id }, ({ event }) => event === 'entries');
  expect(messageOf(resumed.events.at(-1) as ServerEvent).entries.map((entry) => entry.seq)).toEqual([seq + 1n]);
});

test('a cursor that is no place of this feed is an error event, and the end', async () => {
  const elsewhere = `1.1.${Buffer.alloc(32).toString('base64url')}`;
  const { events } = await read({ 'last-event-id': elsewhere }, () => false);
  expect(events).toMatchObject([{ event: 'error', data: { reason: 'reset_required' } }]);
});

test('who may not follow gets an HTTP error with its reason, so that a browser does not come again', async () => {
  const globex = await scene.installation.provision('globex');
  const foreign = await (await scene.installation.signIn(globex.slug)).token();
  const own = as(scene.token).headers;
  for (const [answer, status, reason] of [
    [await get({}), 401, 'not_authenticated'],
    [await get({ authorization: 'Bearer a.b.c' }), 401, 'not_authenticated'],
    [await get(as(foreign).headers), 404, 'not_found'],
    [await get(own, ''), 400, 'invalid_request'],
    [await get({ ...own, 'last-event-id': 'nonsense' }), 400, 'invalid_request'],
  ] as const) {
    expect([answer.status, await answer.json()]).toMatchObject([status, { reason }]);
    expect(answer.headers.get('x-request-id')).toMatch(/^req_/);
  }
});
