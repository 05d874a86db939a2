import { ExitCode, run } from '@stricli/core';
import { application } from './application.ts';
import { type CliOptions, createContext } from './context.ts';

/** As in the table of refusals: 2 is how the command was called, 1 any other failure of the program itself. */
const usage = 2;
const failure = 1;

/** Runs one command. @returns the exit code (0 to 9, as the table of refusals says). */
export async function runCli(inputs: readonly string[], options: CliOptions): Promise<number> {
  const context = createContext(options);
  await run(application, inputs, context);
  return exitCodeOf(Number(context.process.exitCode ?? 0));
}

/** The parser's own codes are negative, which a shell would see as 251 and the like. */
function exitCodeOf(code: number): number {
  if (code === ExitCode.UnknownCommand || code === ExitCode.InvalidArgument) return usage;
  return code < 0 ? failure : code;
}
