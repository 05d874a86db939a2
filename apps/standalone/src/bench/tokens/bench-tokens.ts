import { writeFileSync } from 'node:fs';
import { chooseCores } from './cores.ts';
import { measureTokens } from './measure-tokens.ts';
import { type Options, readOptions, usage } from './options.ts';
import { profileRow } from './profile-row.ts';
import { printReport } from './report.ts';

/**
 * Tokens a second of the whole server with durable audit, beside oidc-provider and Better Auth, in alternating rounds with
 * one load generator for everybody.
 */
export async function benchTokens(args: readonly string[]): Promise<void> {
  let options: Options;
  try {
    options = readOptions(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nusage: ${usage}\n`);
    process.exitCode = 2;
    return;
  }
  const cores = chooseCores();
  if (options.profile !== undefined) return profileRow(options.profile, cores, options);
  const report = await measureTokens(options, cores);
  const json = `${JSON.stringify(report, undefined, 2)}\n`;
  if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, json);
  if (options.json) process.stdout.write(json);
  else printReport(report);
}
