import { expect, test } from 'vitest';
import { Turns } from './turns.ts';

test('all who wait in one turn go on together, step for step, and who comes later waits for a later turn', async () => {
  const turns = new Turns();
  const steps: string[] = [];
  const walk = async (name: string) => {
    await turns.end();
    steps.push(`${name}1`);
    await undefined;
    steps.push(`${name}2`);
  };
  const early = [walk('a'), walk('b'), walk('c')];
  const late = turns.end().then(() => walk('d'));
  expect(steps).toEqual([]);
  await Promise.all([...early, late]);
  expect(steps).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'c2', 'd1', 'd2']);
});

test('nobody waits for somebody who has not come', async () => {
  const turns = new Turns();
  await turns.end();
  await turns.end();
});
