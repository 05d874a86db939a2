import assert from 'node:assert/strict';
import type { TenantId } from '@mono-auth/core/ids';
import { type Ephemeral, valueCharsMax } from './ephemeral.ts';

/** What a driver's own test file hands to the contract. */
export interface EphemeralBench {
  readonly ephemeral: Ephemeral;
  /** A second process on the same store. */
  readonly other: Ephemeral;
  /** Two tenants. */
  readonly tenants: readonly [TenantId, TenantId];
  /** Lets time pass for the store, virtually or really. */
  pass(ms: number): Promise<void>;
  /** Everything in the store as text, as its administrator sees it. */
  dump(): Promise<string>;
  /** Empties the store, as a crash or a fail-over does. */
  lose(): Promise<void>;
}

interface Guarantee {
  readonly guarantee: string;
  /** Throws when the driver does not hold it. */
  check(bench: EphemeralBench): Promise<void>;
}

/** Longest wait for a hint, milliseconds: far more than one takes, far less than a test may. */
const hintMsMax = 5_000;
const pollMs = 10;

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waitedMs = 0; !condition(); waitedMs += pollMs) {
    assert.ok(waitedMs < hintMsMax, `no ${what} within ${hintMsMax} ms`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

const once: readonly Guarantee[] = [
  {
    guarantee: 'consumeOnce has exactly one winner among fifty callers at once, in two processes',
    async check({ ephemeral, other, tenants: [a] }) {
      const calls = Array.from({ length: 50 }, (_, i) =>
        (i % 2 ? ephemeral : other).consumeOnce(a, 'once', 'key', 60_000),
      );
      assert.equal((await Promise.all(calls)).filter(Boolean).length, 1);
      assert.equal(await ephemeral.consumeOnce(a, 'once', 'key', 60_000), false);
    },
  },
  {
    guarantee: 'consumeOnce is won again after its time, and not before',
    async check({ ephemeral, pass, tenants: [a] }) {
      assert.equal(await ephemeral.consumeOnce(a, 'once', 'brief', 1_000), true);
      await pass(500);
      assert.equal(await ephemeral.consumeOnce(a, 'once', 'brief', 1_000), false);
      await pass(600);
      assert.equal(await ephemeral.consumeOnce(a, 'once', 'brief', 1_000), true);
    },
  },
  {
    guarantee: 'fifty callers at once have one winner, ten times over',
    async check({ ephemeral, other, tenants: [a] }) {
      const incarnation = await ephemeral.incarnation();
      for (let round = 0; round < 10; round++) {
        for (const under of [undefined, incarnation]) {
          const calls = Array.from({ length: 50 }, (_, i) =>
            (i % 2 ? ephemeral : other).consumeOnce(a, 'rounds', `${round} ${under}`, 60_000, under),
          );
          assert.equal((await Promise.all(calls)).filter(Boolean).length, 1);
        }
      }
    },
  },
  {
    guarantee: 'what was issued under an incarnation is consumed once under it and never under another',
    async check({ ephemeral, other, lose, tenants: [a] }) {
      const issued = await ephemeral.incarnation();
      assert.equal(await other.consumeOnce(a, 'bound', 'x', 60_000, issued), true);
      assert.equal(await ephemeral.consumeOnce(a, 'bound', 'x', 60_000, issued), false);
      assert.equal(await ephemeral.consumeOnce(a, 'bound', 'y', 60_000, `${issued}x`), false);
      await lose();
      assert.equal(await ephemeral.consumeOnce(a, 'bound', 'x', 60_000, issued), false);
      assert.equal(await other.consumeOnce(a, 'bound', 'never seen', 60_000, issued), false);
      assert.equal(await other.consumeOnce(a, 'bound', 'x', 60_000, await ephemeral.incarnation()), false);
      assert.equal(await other.consumeOnce(a, 'bound', 'z', 60_000, await ephemeral.incarnation()), true);
    },
  },
  {
    guarantee: 'count loses none of its callers and starts anew with the next window',
    async check({ ephemeral, other, pass, tenants: [a] }) {
      const calls = Array.from({ length: 20 }, (_, i) => (i % 2 ? ephemeral : other).count(a, 'rate', 'ip', 60_000));
      const sums = (await Promise.all(calls)).sort((x, y) => x - y);
      assert.deepEqual(
        sums,
        Array.from({ length: 20 }, (_, i) => i + 1),
      );
      await pass(60_100);
      assert.equal(await ephemeral.count(a, 'rate', 'ip', 60_000), 1);
    },
  },
  {
    guarantee: 'uncount ends one window of one tenant, for every process',
    async check({ ephemeral, other, tenants: [a, b] }) {
      const windows = [
        [a, 'rate', 'x'],
        [b, 'rate', 'x'],
        [a, 'rate', 'y'],
        [a, 'tally', 'x'],
      ] as const;
      const count = () => Promise.all(windows.map(([tenant, kind, key]) => ephemeral.count(tenant, kind, key, 60_000)));
      await count();
      await count();
      await other.uncount(a, 'rate', 'x');
      assert.deepEqual(await count(), [1, 3, 3, 3]);
      await ephemeral.uncount(a, 'rate', 'never counted');
    },
  },
  {
    guarantee: 'a window does not grow with every call in it',
    async check({ ephemeral, pass, tenants: [a] }) {
      assert.equal(await ephemeral.count(a, 'rate', 'steady', 1_000), 1);
      await pass(600);
      assert.equal(await ephemeral.count(a, 'rate', 'steady', 1_000), 2);
      await pass(600);
      assert.equal(await ephemeral.count(a, 'rate', 'steady', 1_000), 1);
    },
  },
];

const values: readonly Guarantee[] = [
  {
    guarantee: 'what was set is got until it expires, and a later value replaces an earlier one',
    async check({ ephemeral, other, pass, tenants: [a] }) {
      assert.equal(await ephemeral.get(a, 'hot', 'x'), undefined);
      await ephemeral.set(a, 'hot', 'x', 'one', 1_000);
      await other.set(a, 'hot', 'x', 'zwölf "\\ \n', 2_000);
      await pass(1_500);
      assert.equal(await ephemeral.get(a, 'hot', 'x'), 'zwölf "\\ \n');
      await pass(600);
      assert.equal(await ephemeral.get(a, 'hot', 'x'), undefined);
    },
  },
  {
    guarantee: 'take gives a value to one of many callers and leaves nothing',
    async check({ ephemeral, other, tenants: [a] }) {
      await ephemeral.set(a, 'state', 'x', 'value', 60_000);
      const taken = await Promise.all(Array.from({ length: 20 }, () => other.take(a, 'state', 'x')));
      assert.deepEqual(
        taken.filter((value) => value !== undefined),
        ['value'],
      );
      assert.equal(await ephemeral.get(a, 'state', 'x'), undefined);
    },
  },
  {
    guarantee: 'take answers nothing of what has expired',
    async check({ ephemeral, pass, tenants: [a] }) {
      await ephemeral.set(a, 'state', 'late', 'value', 1_000);
      await pass(1_100);
      assert.equal(await ephemeral.take(a, 'state', 'late'), undefined);
    },
  },
  {
    guarantee: 'tenants and kinds are apart',
    async check({ ephemeral, tenants: [a, b] }) {
      await ephemeral.set(a, 'hot', 'same', 'of a', 60_000);
      assert.equal(await ephemeral.get(b, 'hot', 'same'), undefined);
      assert.equal(await ephemeral.take(b, 'hot', 'same'), undefined);
      assert.equal(await ephemeral.get(a, 'cold', 'same'), undefined);
      for (const tenant of [a, b]) {
        assert.equal(await ephemeral.consumeOnce(tenant, 'apart', 'same', 60_000), true);
        assert.equal(await ephemeral.count(tenant, 'tally', 'same', 60_000), 1);
      }
      assert.equal(await ephemeral.get(a, 'hot', 'same'), 'of a');
    },
  },
  {
    guarantee: 'no raw key is stored, however it is used',
    async check({ ephemeral, dump, tenants: [a] }) {
      const key = 'eyJhbGciOi-very-secret-key';
      await ephemeral.set(a, 'kept', key, 'v', 60_000);
      await ephemeral.consumeOnce(a, 'once', key, 60_000);
      await ephemeral.count(a, 'rate', key, 60_000);
      const text = await dump();
      assert.ok(text.includes('kept'), 'the dump does not show the store');
      for (const form of [key, Buffer.from(key).toString('hex'), Buffer.from(key).toString('base64')]) {
        assert.ok(!text.includes(form), `the store holds the key as ${form}`);
      }
    },
  },
  {
    guarantee: 'keys of any length and content are apart',
    async check({ ephemeral, tenants: [a] }) {
      const keys = ['', ' ', 'x'.repeat(100_000), `${'x'.repeat(100_000)}y`, 'ü', "'; --", 'a:b', 'a|b'];
      for (const [i, key] of keys.entries()) await ephemeral.set(a, 'any', key, String(i), 60_000);
      for (const [i, key] of keys.entries()) assert.equal(await ephemeral.get(a, 'any', key), String(i));
    },
  },
];

const refusals: readonly Guarantee[] = [
  {
    guarantee: 'a value that is too long is refused and not stored',
    async check({ ephemeral, tenants: [a] }) {
      const tooLong = 'x'.repeat(valueCharsMax + 1);
      await assert.rejects(ephemeral.set(a, 'hot', 'big', tooLong, 1_000), { reason: 'too_large' });
      assert.equal(await ephemeral.get(a, 'hot', 'big'), undefined);
    },
  },
  {
    guarantee: 'kinds, times and channels that only a mistake can make are refused',
    async check({ ephemeral, tenants: [a] }) {
      for (const kind of ['', 'A', 'a b', 'x'.repeat(33)]) await assert.rejects(ephemeral.get(a, kind, 'k'), TypeError);
      for (const ttlMs of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        await assert.rejects(ephemeral.consumeOnce(a, 'once', 'k', ttlMs), TypeError);
      }
      await assert.rejects(ephemeral.publish('No Channel', 'x'), TypeError);
      await assert.rejects(
        ephemeral.subscribe('No Channel', () => {}),
        TypeError,
      );
    },
  },
  {
    guarantee: 'a hint that carries more than ids is refused',
    async check({ ephemeral }) {
      for (const payload of ['{"email":"a@b"}', 'a b', 'x'.repeat(1_001)]) {
        await assert.rejects(ephemeral.publish('contract_a', payload), TypeError);
      }
    },
  },
];

const store: readonly Guarantee[] = [
  {
    guarantee: 'a hint reaches every subscriber of its channel and no other, until it unsubscribes',
    async check({ ephemeral, other }) {
      const heard: string[] = [];
      const stopHere = await ephemeral.subscribe('contract_a', (payload) => heard.push(`here ${payload}`));
      const stopThere = await other.subscribe('contract_a', (payload) => heard.push(`there ${payload}`));
      const stopB = await other.subscribe('contract_b', (payload) => heard.push(`b ${payload}`));
      await ephemeral.publish('contract_a', 'ten_1:7');
      await until(() => heard.length === 2, 'hint for both');
      assert.deepEqual([...heard].sort(), ['here ten_1:7', 'there ten_1:7']);
      stopHere();
      await other.publish('contract_a', 'ten_1:8');
      await until(() => heard.at(-1) === 'there ten_1:8', 'hint for the other');
      stopThere();
      await other.publish('contract_a', 'ten_1:9');
      await other.publish('contract_b', 'ten_1:10');
      await until(() => heard.at(-1) === 'b ten_1:10', 'hint on the other channel');
      assert.equal(heard.length, 4);
      stopB();
    },
  },
  {
    guarantee: 'the incarnation is the same for all processes until the store is lost',
    async check({ ephemeral, other, lose, tenants: [a] }) {
      const [first, second] = await Promise.all([ephemeral.incarnation(), other.incarnation()]);
      assert.equal(second, first);
      await ephemeral.set(a, 'hot', 'gone', 'v', 60_000);
      await lose();
      assert.equal(await ephemeral.get(a, 'hot', 'gone'), undefined);
      const next = await other.incarnation();
      assert.notEqual(next, first);
      assert.equal(await ephemeral.incarnation(), next);
    },
  },
];

/** The contract of `Ephemeral`: every driver's test file runs it, in this order, on one bench. */
export const ephemeralContract: readonly Guarantee[] = [...once, ...values, ...refusals, ...store];
