import { expect, test } from 'vitest';
import { readOptions } from './options.ts';

test('the aims are measured at 32 connections, a thousand tenants and 100,000 clients', () => {
  const { schedule, many, json } = readOptions([]);
  expect(schedule.connections).toBe(32);
  expect(many).toEqual({ tenants: 1_000, clients: 100_000 });
  expect(json).toBe(false);
});

test('what is given replaces what is usual', () => {
  const { schedule, jsonFile } = readOptions(['--quick', '--rounds', '3', '--seconds', '1.5', '--json-file', 'a.json']);
  expect(schedule).toMatchObject({ rounds: 3, roundMs: 1_500 });
  expect(jsonFile).toBe('a.json');
});

test.each([
  [['--rounds', '0'], '--rounds'],
  [['--rounds', '1.5'], '--rounds'],
  [['--rounds', '101'], '--rounds'],
  [['--seconds', '0'], '--seconds'],
  [['--seconds', 'NaN'], '--seconds'],
  [['--seconds', '61'], '--seconds'],
  [['--fast'], '--fast'],
  [['quick'], 'quick'],
])('%j is refused', (args, named) => {
  expect(() => readOptions(args)).toThrow(named);
});
