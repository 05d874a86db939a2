import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readHotSpots } from './profile.ts';

const directory = mkdtempSync(join(tmpdir(), 'mono-profile-test-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const node = (id: number, functionName: string, url: string, children: number[] = []) => ({
  ...{ id, children, callFrame: { functionName, url, lineNumber: 9 } },
});
/** `main` calls `mint`, which calls `sign`; one sample a millisecond, the first of them before the load. */
const profile = {
  nodes: [
    node(1, 'main', 'file:///x/apps/standalone/src/main.ts', [2]),
    node(2, 'mint', 'file:///x/packages/minting/src/mint.ts', [3]),
    node(3, 'sign', ''),
  ],
  samples: [1, 1, 1, 1, 1, 3, 3, 3, 2, 1],
  timeDeltas: Array.from({ length: 10 }, () => 1_000),
  ...{ startTime: 0, endTime: 10_000 },
};

test('time counts for the function it was spent in, for its callers, and for the package that asked for it', () => {
  writeFileSync(join(directory, 'one.cpuprofile'), JSON.stringify(profile));
  const { functions, packages } = readHotSpots(directory, 4.5, 0.5);
  expect(functions).toEqual([
    { name: 'sign', selfPercent: 75, totalPercent: 75 },
    { name: 'mint packages/minting/src/mint.ts:10', selfPercent: 25, totalPercent: 100 },
  ]);
  expect(packages).toEqual([{ name: 'packages/minting', selfPercent: 100, totalPercent: 100 }]);
});

test('a process that left no profile is named as such', () => {
  const empty = mkdtempSync(join(directory, 'empty-'));
  expect(() => readHotSpots(empty, 1, 0)).toThrow('left no profile');
});
