import type { Aim } from './aims.ts';
import type { Figures, Schedule } from './rounds.ts';

export interface Report {
  readonly measuredAt: string;
  readonly machine: {
    readonly processors: string;
    readonly cores: number;
    readonly runtime: string;
    readonly pinning: string;
    /** Of one, five and fifteen minutes, before and after. */
    readonly loadAverage: { readonly before: readonly number[]; readonly after: readonly number[] };
  };
  readonly schedule: Schedule;
  /** Rows that were measured in turn stand in one section. */
  readonly sections: readonly { readonly title: string; readonly rows: readonly Figures[] }[];
  readonly absent: readonly { readonly name: string; readonly why: string }[];
  readonly aims: readonly Aim[];
  readonly notes: readonly string[];
}

const nameWidth = 62;
const cellWidth = 11;

/** The report as a table for people. */
export function printReport({ machine, schedule, sections, absent, aims, notes }: Report): void {
  const { rounds, roundMs, warmUpMs, connections } = schedule;
  const load = (values: readonly number[]) => values.map((value) => value.toFixed(2)).join(' ');
  console.log(`${machine.runtime}, ${machine.cores} x ${machine.processors}; ${machine.pinning}`);
  console.log(`load average before ${load(machine.loadAverage.before)}, after ${load(machine.loadAverage.after)}`);
  console.log(
    `${connections} connections, ${rounds} alternating rounds of ${roundMs} ms after ${warmUpMs} ms of warm-up, medians of the rounds\n`,
  );
  for (const { title, rows } of sections) {
    line(title, 'tokens/s', 'p50 ms', 'p99 ms', 'slowest', 'fastest', 'CPU %', 'per CPU s', 'RSS MiB');
    for (const row of rows) {
      const { perSecond, p50Ms, p99Ms, perSecondOfRounds, cpuPercent, perCpuSecond, rssMiB } = row;
      line(
        row.name,
        ...[perSecond.toFixed(0), p50Ms.toFixed(2), p99Ms.toFixed(2)],
        ...[Math.min(...perSecondOfRounds).toFixed(0), Math.max(...perSecondOfRounds).toFixed(0)],
        ...[cpuPercent?.toFixed(0) ?? '-', perCpuSecond?.toFixed(0) ?? '-', rssMiB.toFixed(0)],
      );
    }
    console.log('');
  }
  for (const { name, why } of absent) console.log(`${name}: ${why}`);
  if (absent.length > 0) console.log('');
  line('aims', 'aim', 'is', 'by CPU s', 'met');
  for (const { what, aim, value, byCpu, unit, met, note } of aims) {
    const is = value === undefined ? '-' : `${value.toFixed(unit === 'x' ? 2 : 0)}${unit === 'x' ? 'x' : ` ${unit}`}`;
    line(
      what,
      aim,
      is,
      byCpu === undefined ? '-' : `${byCpu.toFixed(2)}x`,
      met === undefined ? (note ?? '-') : met ? 'yes' : 'no',
    );
  }
  console.log(`\n${notes.join('\n')}`);
}

function line(name: string, ...cells: string[]): void {
  console.log(name.padEnd(nameWidth) + cells.map((cell) => ` ${cell.padStart(cellWidth)}`).join(''));
}
