import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Refusal } from './errors.ts';
import { type IdKind, idFromUuid, idKinds, isId, newId, parseId, uuidOf, writeUuid } from './ids.ts';
import { systemRuntime } from './runtime.ts';

const kinds = Object.keys(idKinds) as IdKind[];

test('every uuid has one wire form of each kind, and comes back from it unchanged', () => {
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.uuid(), (kind, uuid) => {
      const id = idFromUuid(kind, uuid);
      expect(uuidOf(id)).toBe(uuid);
      expect(parseId(kind, id, 'id')).toBe(id);
    }),
  );
  for (const uuid of ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff']) {
    expect(uuidOf(idFromUuid('ten', uuid))).toBe(uuid);
  }
});

test('the bytes of an id are those of its uuid, and nothing beside them is written', () => {
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.uuid(), (kind, uuid) => {
      const target = new Uint8Array(20).fill(0xee);
      writeUuid(idFromUuid(kind, uuid), target, 2);
      expect(Buffer.from(target).toString('hex')).toBe(`eeee${uuid.replaceAll('-', '')}eeee`);
    }),
  );
});

test('every text that is accepted as an id names one uuid, and no second text names the same', () => {
  const body = fc.stringMatching(/^[0-7][0-9a-hjkmnp-tv-z]{25}$/);
  fc.assert(
    fc.property(fc.constantFrom(...kinds), body, (kind, text) => {
      const id = parseId(kind, `${kind}_${text}`, 'id');
      expect(idFromUuid(kind, uuidOf(id))).toBe(id);
    }),
  );
});

test('ids sort as their uuids do, so that a page token can be the last id', () => {
  fc.assert(
    fc.property(fc.uuid(), fc.uuid(), (a, b) => {
      expect(idFromUuid('evt', a) < idFromUuid('evt', b)).toBe(a < b);
    }),
  );
});

test('an id of one kind is never read as another', () => {
  for (const kind of kinds) {
    const id = newId(systemRuntime, kind);
    expect(kinds.filter((other) => isId(other, id))).toEqual([kind]);
  }
});

const valid = idFromUuid('hst', '019a0000-0000-7000-8000-000000000000').slice(4);
test.each([
  ['nothing', undefined],
  ['an empty text', ''],
  ['the prefix alone', 'hst_'],
  ['a uuid', '019a0000-0000-7000-8000-000000000000'],
  ['another kind', `agt_${valid}`],
  ['no prefix', valid],
  ['a character too many', `hst_${valid}0`],
  ['a character too few', `hst_${valid.slice(1)}`],
  ['upper case', `hst_${valid.toUpperCase()}`],
  ['a letter outside the alphabet', `hst_${valid.slice(0, -1)}u`],
  ['more than 128 bits', `hst_8${valid.slice(1)}`],
  ['a line break at the end', `hst_${valid}\n`],
  ['a list', [`hst_${valid}`]],
  ['a number', 7],
])('an id that is %s is refused by the name of its field, without repeating it', (_, text) => {
  expect(() => parseId('hst', text, 'host_id')).toThrow(
    new Refusal('invalid_request', 'host_id: not a host id (hst_ and 26 characters)'),
  );
});

test('a uuid that is not canonical is an error of ours', () => {
  for (const uuid of ['', 'x', '019A0000-0000-7000-8000-000000000000', '019a0000000070008000000000000000']) {
    expect(() => idFromUuid('hst', uuid)).toThrow(TypeError);
  }
});
