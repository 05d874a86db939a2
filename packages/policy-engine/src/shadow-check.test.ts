import { Refusal } from '@mono-auth/core/errors';
import { expect, test } from 'vitest';
import { deny, type EngineDecision } from './decision.ts';
import { type PlainRequest, readRequest } from './request.ts';
import { type Mismatch, shadowed } from './shadow-check.ts';

const request = readRequest({
  principal: 'user:usr_1',
  action: 'orders:read',
  resource: { type: 'order', id: '1' },
  context: {},
});
const allow = (...reasons: string[]): EngineDecision => ({ allowed: true, reasons, errors: [] });

/** A shadow over two deciders that answer as told, and what came of it. */
function shadow(compiled: () => EngineDecision, cedar: () => EngineDecision, every = 1) {
  const asked = { compiled: 0, cedar: 0 };
  const mismatches: Mismatch[] = [];
  const counted = (which: 'compiled' | 'cedar', decide: () => EngineDecision) => (_: PlainRequest) => {
    asked[which]++;
    return decide();
  };
  const decide = shadowed({
    compiled: counted('compiled', compiled),
    cedar: counted('cedar', cedar),
    every,
    onMismatch: (mismatch) => mismatches.push(mismatch),
  });
  return { decide: () => decide(request), asked, mismatches };
}

test('one decision in so many is asked of Cedar as well, beginning with the first', () => {
  const { decide, asked } = shadow(
    () => allow('a'),
    () => allow('a'),
    5,
  );
  const cedarAfter = Array.from({ length: 11 }, () => decide() && asked.cedar);
  expect(cedarAfter).toEqual([1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3]);
  expect(asked.compiled).toBe(11);
});

test('the order of reasons, and the wording of an error in the same policy, are no difference', () => {
  const reasons = shadow(
    () => allow('a', 'b'),
    () => allow('b', 'a'),
  );
  expect(reasons.decide().allowed).toBe(true);
  const errors = shadow(
    () => deny('a: no attribute', 'b: overflow'),
    () => deny('b: integer overflow', 'a: x: y'),
  );
  expect(errors.decide().errors).toEqual(['a: no attribute', 'b: overflow']);
  expect([...reasons.mismatches, ...errors.mismatches]).toEqual([]);
});

test.each([
  ['Cedar denies what the compiled policies allow', allow('a'), deny()],
  ['the compiled policies deny what Cedar allows', deny(), allow('a')],
])('either can deny where they differ, and it is told: %s', (_name, compiled, cedar) => {
  const { decide, mismatches } = shadow(
    () => compiled,
    () => cedar,
  );
  expect(decide()).toEqual(deny());
  expect(mismatches).toEqual([{ request, compiled, cedar }]);
});

test.each([
  ['another answer', deny(), allow('a')],
  ['other reasons', allow('a'), allow('b')],
  ['one reason more', allow('a', 'b'), allow('a')],
  ['an error in another policy', deny('a: x'), deny('b: x')],
  ['an error that only one saw', deny(), deny('b: x')],
])('after one difference Cedar alone decides: %s', (_name, compiled, cedar) => {
  const { decide, asked, mismatches } = shadow(
    () => compiled,
    () => cedar,
    1_000,
  );
  decide();
  for (let more = 0; more < 5; more++) expect(decide()).toEqual(cedar);
  expect(asked).toEqual({ compiled: 1, cedar: 6 });
  expect(mismatches).toHaveLength(1);
});

test('compiled policies that break denies, is told at once and is not asked again', () => {
  let broken = false;
  const { decide, asked, mismatches } = shadow(
    () => {
      if (broken) throw new TypeError('broken');
      return allow('a');
    },
    () => allow('a'),
    1_000,
  );
  expect([decide().allowed, decide().allowed]).toEqual([true, true]);
  broken = true;
  expect(decide().allowed).toBe(false);
  expect(decide().allowed).toBe(true);
  expect(asked).toEqual({ compiled: 3, cedar: 3 });
  expect(mismatches).toHaveLength(1);
});

test('a check that Cedar gives up on denies', () => {
  const { decide, mismatches } = shadow(
    () => allow('a'),
    () => {
      throw new Refusal('invalid_request', 'policy: too complex to be evaluated');
    },
  );
  expect(decide()).toEqual(deny('policy: too complex to be evaluated'));
  expect(mismatches).toHaveLength(1);
});
