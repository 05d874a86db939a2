import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import type { Fetch } from '@mono-auth/sdk';
import type { CommandContext, StricliProcess } from '@stricli/core';

export type Environment = Readonly<Partial<Record<string, string>>>;

/** What a run of the program touches. */
export interface CliContext extends CommandContext {
  readonly process: StricliProcess;
  readonly env: Environment;
  /** All of standard input, as text. */
  readonly readStdin: () => Promise<string>;
  readonly fetch: Fetch;
  readonly runtime: Runtime;
  /** Where the session and the host's identity are kept. */
  readonly stateDir: string;
}

export interface CliOptions {
  readonly env: Environment;
  readonly stdout: { write(text: string): void };
  readonly stderr: { write(text: string): void };
  readonly readStdin: () => Promise<string>;
  readonly fetch?: Fetch;
  readonly runtime?: Runtime;
}

export function createContext(options: CliOptions): CliContext {
  const { env, stdout, stderr, readStdin, fetch = globalThis.fetch, runtime = systemRuntime } = options;
  return { process: { stdout, stderr, env }, env, readStdin, fetch, runtime, stateDir: stateDirOf(env) };
}

/** https://specifications.freedesktop.org/basedir-spec/latest/ $XDG_STATE_HOME: must be absolute, else it is ignored. */
function stateDirOf(env: Environment): string {
  if (env.MONO_STATE_DIR) return env.MONO_STATE_DIR;
  const state = env.XDG_STATE_HOME?.startsWith('/')
    ? env.XDG_STATE_HOME
    : join(env.HOME ?? homedir(), '.local', 'state');
  return join(state, 'monoauth');
}
