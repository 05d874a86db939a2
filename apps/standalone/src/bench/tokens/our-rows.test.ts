import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ChildProgram, startProgram } from '../child-program.ts';
import { manyTenants } from './compare-tenants.ts';
import { type Installation, openInstallation } from './installation.ts';
import { ourNames, ourRows } from './our-rows.ts';
import { measureRows } from './rounds.ts';

// Whether the benchmark measures what it says; how fast that is, no test looks at.
/** Keys of two tenants (RSA among them), a database and a server: seconds, on a machine that does other things as well. */
const timeoutMs = 120_000;
const schedule = { rounds: 1, roundMs: 50, warmUpMs: 50, connections: 4 };
let installation: Installation;
let server: ChildProgram;
let generator: ChildProgram;

beforeAll(async () => {
  generator = startProgram('./tokens/load-program.ts');
  installation = await openInstallation();
  server = await installation.serve({});
}, timeoutMs);
afterAll(async () => {
  await generator.end();
  await installation.remove();
});

test(
  'every row of ours is answered with tokens that the issuer has signed, for the service and scope asked for',
  async () => {
    const served = { url: new URL(installation.baseUrl), pid: server.pid };
    const rows = await ourRows(installation, served);
    const row = await manyTenants(installation, served, { tenants: 2, clients: 6 });
    const figures = await measureRows([...rows, row], generator, schedule);
    expect(figures.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.values(ourNames)));
    expect(figures.at(-1)?.name).toContain('2 tenants, 6 clients');
    for (const { answered, perSecond, rssMiB } of figures) {
      expect(answered).toBeGreaterThan(0);
      expect(perSecond).toBeGreaterThan(0);
      expect(rssMiB).toBeGreaterThan(10);
    }
  },
  timeoutMs,
);

test(
  'a server that refuses to start says why',
  async () => {
    await server.end();
    await expect(installation.serve({}, { MONO_PROCESSES: 'many' })).rejects.toThrow('MONO_PROCESSES');
  },
  timeoutMs,
);
