import { parseArgs } from 'node:util';
import type { Schedule } from './rounds.ts';

export interface Options {
  readonly schedule: Schedule;
  /** Of the installation that is compared with the one of one tenant. */
  readonly many: { readonly tenants: number; readonly clients: number };
  /** The report as JSON to stdout instead of the table. */
  readonly json: boolean;
  /** The report as JSON to this file as well. */
  readonly jsonFile: string | undefined;
  /** Only a profile of one row of ours: the first whose name holds this. */
  readonly profile: string | undefined;
}

export const usage = `npm run bench -- tokens [--quick] [--rounds N] [--seconds N] [--json | --json-file FILE] [--profile ROW]
  --quick          few short rounds and few tenants: whether everything works, not how fast it is
  --rounds N       rounds of each row (default 5)
  --seconds N      length of a round (default 4)
  --json           the report as JSON on stdout, without the table
  --json-file FILE the same into a file, beside the table
  --profile ROW    no comparison: one row of ours, or "tenants", under Bun's profiler, its hottest functions and packages`;

const whole = { rounds: 5, seconds: 4, warmUpMs: 2_000, many: { tenants: 1_000, clients: 100_000 } };
const quick = { rounds: 2, seconds: 0.4, warmUpMs: 200, many: { tenants: 5, clients: 50 } };
/** As the aims have it. */
const connections = 32;
const roundsMax = 100;
const secondsMax = 60;

/** @throws Error that says which flag, why, and what is allowed. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      json: { type: 'boolean', default: false },
      'json-file': { type: 'string' },
      profile: { type: 'string' },
    },
  });
  const kind = values.quick ? quick : whole;
  const rounds = values.rounds === undefined ? kind.rounds : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > roundsMax) {
    throw new Error(`--rounds: is no whole number from 1 to ${roundsMax}`);
  }
  const seconds = values.seconds === undefined ? kind.seconds : Number(values.seconds);
  if (!(seconds > 0 && seconds <= secondsMax)) throw new Error(`--seconds: is no number above 0, up to ${secondsMax}`);
  return {
    schedule: { rounds, roundMs: seconds * 1_000, warmUpMs: kind.warmUpMs, connections },
    ...{ many: kind.many, json: values.json, jsonFile: values['json-file'], profile: values.profile },
  };
}
