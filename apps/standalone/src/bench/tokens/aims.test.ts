import { expect, test } from 'vitest';
import { judge, type Measurements } from './aims.ts';
import { ourNames } from './our-rows.ts';
import { peerNames } from './peer-names.ts';
import type { Figures } from './rounds.ts';

const figures = (name: string, perSecond: number, p99Ms = 5): Figures => ({
  ...{
    name,
    perSecond,
    p99Ms,
    p50Ms: 1,
    perSecondOfRounds: [perSecond],
    answered: 1,
    cpuPercent: 50,
    perCpuSecond: 2 * perSecond,
    rssMiB: 100,
  },
});
const measured: Measurements = {
  rows: [
    figures(ourNames.exchangeByBasic, 1_000, 20),
    figures(ourNames.exchangeByAssertion, 699),
    figures(peerNames.oidcExchange, 800),
    figures(peerNames.oidcOwn, 1_001),
    figures(peerNames.betterAuthOwn, 100),
  ],
  ...{ one: figures('one', 1_000), many: figures('many', 849) },
  ...{ oneProcess: figures('1', 1_000), twoProcesses: undefined, twoProcessesRefused: 'MONO_PROCESSES: is not 1' },
  ...{ tokensOnlyMiB: 160, everythingMiB: 261 },
};

test('an aim is met at its bound and not beyond it, and what was not measured is neither', () => {
  expect(judge(measured).map(({ met, value }) => [value && Number(value.toFixed(3)), met])).toEqual([
    [1.25, true],
    [0.999, false],
    [10, true],
    [20, true],
    [0.699, false],
    [undefined, undefined],
    [undefined, undefined],
    [undefined, undefined],
    [-15.1, false],
    [160, true],
    [261, false],
  ]);
});

test('ratios stand beside those of processor time, which other work on the machine does not change', () => {
  const byCpu = judge(measured).map((aim) => aim.byCpu && Number(aim.byCpu.toFixed(3)));
  expect(byCpu.filter((ratio) => ratio !== undefined)).toEqual([1.25, 0.999, 10, 0.699, 0.849]);
});

test('what is missing says why', () => {
  const notes = judge(measured).flatMap(({ met, note }) => (met === undefined ? [note] : []));
  expect(notes).toEqual(['not served yet', 'not served yet', 'refused']);
});
