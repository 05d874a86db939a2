import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Installation, openInstallation, ownerEmail, ownerPassword } from '../acceptance/installation.ts';
import { keepSealing } from '../acceptance/keep-sealing.ts';
import { story, tellStory } from './tell-story.ts';

let db: TestDatabase;
let installation: Installation;
let endSealing: (() => Promise<void>) | undefined;
let fault: Fault | undefined;
let told: string[];

type Fault = (path: string, answer: () => Promise<Response>) => Promise<Response>;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek, {
    tamper(request, answer) {
      const path = new URL(request.url).pathname;
      return fault ? fault(path, answer) : answer();
    },
  });
  endSealing = keepSealing(installation.controlPlane);
});

afterAll(async () => {
  await endSealing?.();
  await installation?.close();
  await db?.close();
});

beforeEach(() => {
  fault = undefined;
  told = [];
});

/** Tells the story in this process; `told` has the lines. */
function tell(telling: string): Promise<boolean> {
  const operator = { email: ownerEmail, password: ownerPassword };
  return tellStory({ baseUrl: installation.baseUrl, operator, telling, made: {} }, (line) => told.push(line));
}

/** The tour as its users run it. */
async function runTour(): Promise<{ code: number; out: string }> {
  const run = Bun.spawn([process.execPath, `${import.meta.dirname}/main.ts`], {
    env: {
      ...process.env,
      MONO_BASE_URL: installation.baseUrl,
      MONO_BOOTSTRAP_EMAIL: ownerEmail,
      MONO_BOOTSTRAP_PASSWORD: ownerPassword,
    },
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const out = await new Response(run.stdout).text();
  return { code: await run.exited, out };
}

/** Answers `status` instead of whatever is asked of this path. */
const down =
  (end: string): Fault =>
  async (path, answer) =>
    path.endsWith(end) ? new Response(null, { status: 503 }) : answer();

/** Changes the token in the answer to an exchange. */
const exchanged =
  (change: (token: string) => string): Fault =>
  async (path, answer) => {
    const response = await answer();
    if (!path.endsWith('/oauth2/token')) return response;
    const body = (await response.json()) as { access_token?: string; issued_token_type?: string };
    const token = body.issued_token_type && body.access_token;
    return Response.json({ ...body, ...(token && { access_token: change(token) }) }, { status: response.status });
  };

/** The token without its chain: a header, other claims, the old signature. */
function withoutActor(token: string): string {
  const [header, payload = '', signature] = token.split('.');
  const { act: _, ...claims } = JSON.parse(Buffer.from(payload, 'base64url').toString());
  return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
}

/** What breaks each step, in the order of the story. */
const faults: readonly Fault[] = [
  down('TenantService/ProvisionTenant'),
  async (path, answer) => (path.endsWith('/jwks') ? Response.json({ keys: [] }) : answer()),
  down('FeedService/Register'),
  down('MachineService/RedeemInvite'),
  down('MachineService/CreateAgent'),
  exchanged(withoutActor),
  exchanged((token) => `${token.slice(0, -8)}AAAAAAAA`),
  down('RevocationService/Revoke'),
  down('AuditService/ProveInclusion'),
  async (path, answer) => {
    const response = await answer();
    if (!path.endsWith('AuditService/ExportBundle')) return response;
    const bytes = new Uint8Array(await response.arrayBuffer());
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] as number) ^ 1;
    return new Response(bytes, response);
  },
];

test('the story holds twice in a row, each step with its evidence', async () => {
  for (const telling of ['first-time', 'second-time']) {
    told = [];
    expect(await tell(telling), told.join('\n')).toBe(true);
    for (const [index, { title }] of story.entries()) {
      const line = told.indexOf(`${index + 1}/${story.length} ${title}`);
      expect(told[line + 1]).toMatch(/^ {6}\S/);
    }
    // The service and the gateway itself.
    expect(told.join('\n')).toContain('enforced at 2 of 2');
  }
});

test('there is a fault for every step', () => {
  expect(faults).toHaveLength(story.length);
});

test.each(story.map(({ title }, index) => [index, title] as const))(
  'a fault in step %i ends the story there: %s',
  async (index, title) => {
    fault = faults[index];
    expect(await tell(`broken-${index}`)).toBe(false);
    expect(told.at(-1)).toMatch(/^ {6}BROKEN: /);
    expect(told.filter((line) => /^\d/.test(line)).at(-1)).toBe(`${index + 1}/${story.length} ${title}`);
  },
);

test('the command ends with 0 when the story holds and with 1 when a step is broken', async () => {
  expect(await runTour()).toMatchObject({ code: 0, out: expect.stringContaining('The story holds.') });
  fault = down('RevocationService/Revoke');
  expect(await runTour()).toMatchObject({ code: 1, out: expect.stringContaining('The story does not hold.') });
});
