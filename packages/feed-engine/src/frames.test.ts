import { newId } from '@mono-auth/core/ids';
import { FakeRuntime } from '@mono-auth/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chain, frames } from './index.ts';

const position = { incarnation: 3, seq: 41, hash: chain.genesisHash(newId(new FakeRuntime(), 'ten'), 3) };

test('a frame is five bytes and the message, so that a reader knows where the next one begins', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70_000 }), (message) => {
      const frame = frames.envelope(message);
      expect(frame[0]).toBe(0);
      expect(new DataView(frame.buffer).getUint32(1)).toBe(message.length);
      expect(frame.subarray(5)).toEqual(message);
    }),
    { numRuns: 20 },
  );
});

test('an event names its kind, where the consumer then stands, and its data', () => {
  const text = new TextDecoder().decode(frames.serverSentEvent('head', position, '{"a":1}'));
  expect(text).toBe(`event: head\nid: ${frames.cursorText(position)}\ndata: {"a":1}\n\n`);
});

test('a cursor comes back from its text as it was, and no other text is a cursor', () => {
  const text = frames.cursorText(position);
  expect(frames.parseCursorText(text)).toEqual(position);
  for (const wrong of ['', '3.41', `${text}A`, `-${text}`, text.replace('3.', '3e0.'), `${text.slice(0, -1)}_`]) {
    expect(frames.parseCursorText(wrong)).toBeUndefined();
  }
});
