import { expect, test } from 'vitest';
import { nowSeconds, systemRuntime } from './runtime.ts';

test('uuids are version 7 and grow, so that rows made later sort later', () => {
  const uuids = Array.from({ length: 1000 }, () => systemRuntime.uuid());
  expect(
    uuids.every((uuid) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(uuid)),
  ).toBe(true);
  expect([...uuids].sort()).toEqual(uuids);
  expect(new Set(uuids).size).toBe(uuids.length);
});

test('a sleep that is called off rejects at once with the reason given', async () => {
  const reason = new Error('shut down');
  await expect(systemRuntime.sleep(60_000, AbortSignal.abort(reason))).rejects.toBe(reason);
  const abort = new AbortController();
  const asleep = systemRuntime.sleep(60_000, abort.signal);
  abort.abort(reason);
  await expect(asleep).rejects.toBe(reason);
  await systemRuntime.sleep(1, new AbortController().signal);
});

test('seconds are whole and never ahead of the clock', () => {
  expect(nowSeconds({ ...systemRuntime, nowMs: () => 1_999 })).toBe(1);
});
