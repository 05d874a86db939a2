import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../crash/free-port.ts';
import { childrenOf, isAlive, titleOf } from '../crash/processes.ts';

/* Three processes on one pair of ports, with an embedded database of their own. Linux: it looks into /proc. */
const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'mono-processes-'));
const readyMsMax = 60_000;
const goneMsMax = 15_000;

let ports: number[];
let child: ChildProcess;

beforeAll(async () => {
  // As root the database runs as nobody, who has to walk to its files.
  chmodSync(directory, 0o755);
  ports = await Promise.all(Array.from({ length: 3 }, freePort));
  child = start(directory);
  await waitFor(isReady, readyMsMax);
}, readyMsMax * 2);
afterAll(async () => {
  child.kill('SIGTERM');
  await waitFor(async () => child.exitCode !== null || child.signalCode !== null, goneMsMax);
  rmSync(directory, { recursive: true, force: true });
});

function start(dataDirectory: string): ChildProcess {
  const [edge, grpc, admin] = ports;
  const env = {
    ...{
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      MONO_DATA_DIR: dataDirectory,
      MONO_PROCESSES: '3',
    },
    MONO_LISTEN: `127.0.0.1:${edge}`,
    MONO_GRPC_LISTEN: `127.0.0.1:${grpc}`,
    MONO_ADMIN_LISTEN: `127.0.0.1:${admin}`,
  };
  return spawn(process.execPath, [main], { env, stdio: 'pipe' });
}

async function waitFor(holds: () => Promise<boolean>, msMax: number): Promise<void> {
  const endMs = performance.now() + msMax;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error('it did not come about in time');
    await Bun.sleep(50);
  }
}

const isReady = () =>
  fetch(`http://127.0.0.1:${ports[2]}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );
/** Connections of their own, so that the system spreads them over the processes. */
const answers = () =>
  Promise.all(
    Array.from({ length: 12 }, async () => {
      const response = await fetch(`http://127.0.0.1:${ports[0]}/t/acme/jwks`, { headers: { connection: 'close' } });
      return response.status;
    }),
  );
/** Our own processes besides the first: the database has a title of its own. */
const siblings = () => childrenOf(child.pid as number).filter((pid) => titleOf(pid).includes('main.ts'));

test('all of them listen, and whichever is asked answers', async () => {
  expect(siblings()).toHaveLength(2);
  expect(await answers()).toEqual(Array(12).fill(200));
});

test('one that dies is started again, and until then the installation says that it is not ready', async () => {
  const before = siblings();
  process.kill(before[0] as number, 'SIGKILL');
  await waitFor(async () => !(await isReady()), goneMsMax);
  await waitFor(isReady, readyMsMax);
  expect(siblings()).toHaveLength(2);
  expect(siblings()).not.toEqual(before);
  expect(await answers()).toEqual(Array(12).fill(200));
}, 90_000);

test('another installation is told that the port is taken, although it could be shared', async () => {
  const other = mkdtempSync(join(tmpdir(), 'mono-processes-'));
  try {
    const stranger = start(other);
    let words = '';
    stranger.stderr?.on('data', (chunk) => {
      words += String(chunk);
    });
    const code = await new Promise((resolve) => stranger.once('close', resolve));
    expect([code, words]).toEqual([2, expect.stringContaining('MONO_LISTEN: ')]);
    expect(words).toContain('is taken by another program');
  } finally {
    rmSync(other, { recursive: true, force: true });
  }
}, 60_000);

test('when the first one is killed, the others end, and a new start finds its ports free', async () => {
  const orphans = siblings();
  process.kill(child.pid as number, 'SIGKILL');
  await waitFor(async () => !orphans.some(isAlive), goneMsMax);
  child = start(directory);
  await waitFor(isReady, readyMsMax);
  expect(await answers()).toEqual(Array(12).fill(200));
}, 120_000);
