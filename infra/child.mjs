/** Running one program in our place: its signals, its exit code, its end when we are gone. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { LaunchError } from './launch-error.mjs';

const forwardedSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Two deliveries of one signal closer together than this are one wish: a terminal's Ctrl-C reaches npm and us at once,
 * and npm passes its own copy on as well.
 */
const sameWishMs = 1_000;

/** Whose death ends a server: npm's, when npm runs us (a shell may leave us behind on purpose). */
const npmPid = process.env.npm_lifecycle_event ? process.ppid : undefined;
const parentCheckMs = 500;

/**
 * Runs a server until it ends; the exit code is its own (128 + n when a signal ended it).
 *
 * The server runs in a session of its own, so a Ctrl-C reaches it exactly once: through us. What it can rely on:
 * - `MONO_LAUNCHER=1` in its environment says that its stdin is a pipe that we hold open and never write to;
 * - the end of that stdin means that the launcher is gone, also after `kill -9`: stop cleanly, as on SIGTERM;
 * - SIGINT, SIGTERM and SIGHUP arrive once each; a repetition more than a second later is passed on again;
 * - SIGTERM also arrives when npm, having started us, was killed: nobody else would free the port and the data.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<number>}
 */
export function runServer(command, args, options = {}) {
  const parentCheck = setInterval(() => {
    if (process.ppid === npmPid) return;
    clearInterval(parentCheck);
    if (npmPid !== undefined) process.emit('SIGTERM');
  }, parentCheckMs);
  return runToEnd(() => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...(options.env ?? process.env), MONO_LAUNCHER: '1' },
      stdio: ['pipe', 'inherit', 'inherit'],
      detached: true,
    });
    // A server that closes its end early is no failure of ours.
    child.stdin.on('error', () => {});
    return child;
  }).finally(() => clearInterval(parentCheck));
}

/**
 * Runs a tool that may talk to the terminal; it stays in our process group.
 * At a terminal Ctrl-C reaches it without us, so SIGINT is passed on only where there is none.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, stdio?: import('node:child_process').StdioOptions }} options
 * @returns {Promise<number>}
 */
export function runForeground(command, args, options = {}) {
  return runToEnd(
    () => spawn(command, args, { stdio: 'inherit', ...options }),
    (signal) => signal === 'SIGINT' && process.stdin.isTTY,
  );
}

/**
 * Runs work of our own that a signal ends: it gets an AbortSignal, clears up what it has begun, and starts no more.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} work
 * @returns {Promise<T>}
 * @throws {LaunchError} exit code 128 + n when a signal ended it
 */
export async function interruptible(work) {
  const interrupted = new AbortController();
  const handlers = forwardedSignals.map((signal) => {
    const stop = () => interrupted.abort(new LaunchError(`stopped by ${signal}`, 128 + constants.signals[signal]));
    process.on(signal, stop);
    return () => process.off(signal, stop);
  });
  try {
    return await work(interrupted.signal);
  } catch (error) {
    throw interrupted.signal.aborted ? interrupted.signal.reason : error;
  } finally {
    for (const remove of handlers) remove();
  }
}

function runToEnd(start, arrivesByItself = () => false) {
  let child;
  const justSent = new Set();
  const handlers = forwardedSignals.map((signal) => {
    const forward = () => {
      if (arrivesByItself(signal) || justSent.has(signal)) return;
      justSent.add(signal);
      setTimeout(() => justSent.delete(signal), sameWishMs).unref();
      child.kill(signal);
    };
    process.on(signal, forward);
    return () => process.off(signal, forward);
  });
  // Only with the handlers in place: the child may run, and somebody may send a signal, before spawn has returned.
  child = start();
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  }).finally(() => {
    for (const remove of handlers) remove();
  });
}
