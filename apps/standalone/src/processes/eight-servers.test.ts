import type { JsonObject } from '@bufbuild/protobuf';
import { uuidOf } from '@mono-auth/core/ids';
import { machineTokenTtlSeconds } from '@mono-auth/core/limits';
import { nowSeconds, systemRuntime } from '@mono-auth/core/runtime';
import { AuthMethod, ClientKind, ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Installation, openInstallation } from '../acceptance/installation.ts';
import { MintingProcess } from '../crash/minting-process.ts';
import { rpcClient } from '../tour/person.ts';

/* Whole servers on one database, asked over HTTP. The minters alone, on virtual time: eight-processes.test.ts of minting. */

const serversAsked = 8;
const connectionsEach = 3;
const tokensPerWindow = 500;
const windowSeconds = 12;
/** What can be used of a window at least, whatever lies in one process while another is asked. */
const leastTokens = tokensPerWindow * 0.95;
/** Windows in which everybody asks from the beginning to the end. */
const wholeWindows = 2;
const timeoutMs = 120_000;
const startedMsMax = 60_000;
/** So that refusals, which are evidence as well, leave the machine to the others, milliseconds. */
const refusedPauseMs = 50;

interface Asked {
  readonly server: MintingProcess;
  answered: number;
  ended: boolean;
}

let db: TestDatabase;
let installation: Installation;
let servers: Asked[] = [];
let tenantId: string;
let form: URLSearchParams;
let tokenPath: string;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  const tenant = await installation.provision('acme');
  tenantId = uuidOf(tenant.id);
  tokenPath = `${new URL(tenant.issuer).pathname}/oauth2/token`;
  const token = await (await installation.signIn('acme')).token();
  const { client, clientSecret } = await rpcClient(tenant.issuer, ClientService, token).createClient({
    ...{ kind: ClientKind.MACHINE, name: 'eager', approve: true },
    manifest: { authMethod: AuthMethod.CLIENT_SECRET_POST, scopes: ['orders:read'] },
  });
  const id = client?.id ?? '';
  form = new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: clientSecret });
  await rpcClient(tenant.issuer, MachineService, token).setMintBudget({
    holder: { holder: { case: 'clientId', value: id } },
    budget: { tokensPerWindow: BigInt(tokensPerWindow), windowSeconds },
  });
  const place = { databaseUrl: db.url, baseUrl: installation.baseUrl, kek: testKek };
  const started = await Promise.all(Array.from({ length: serversAsked }, () => MintingProcess.start(place)));
  servers = started.map((server) => ({ server, answered: 0, ended: false }));
}, timeoutMs);
afterAll(async () => {
  await Promise.all(servers.filter(({ ended }) => !ended).map(({ server }) => server.stop()));
  await installation?.close();
  await db?.close();
}, timeoutMs);

/** The budget is used up; or the machine is so busy that a connection to the database took too long. */
const isRetryable = (error: unknown) => error === 'slow_down' || error === 'temporarily_unavailable';

/** One client that asks as fast as it is answered. @throws Error when the answer is neither a token nor "come back". */
async function askOn(asked: Asked, end: { atSeconds: number }): Promise<void> {
  while (!asked.ended && nowSeconds(systemRuntime) < end.atSeconds) {
    const response = await fetch(`${asked.server.url}${tokenPath}`, { method: 'POST', body: form }).catch(
      () => undefined,
    );
    // What is killed answers nobody.
    const { error, error_description } = ((await response?.json().catch(() => undefined)) ?? {}) as JsonObject;
    if (response?.status === 200) asked.answered++;
    else if (isRetryable(error)) await systemRuntime.sleep(refusedPauseMs);
    else if (!asked.ended) throw new Error(`neither a token nor "come back": ${response?.status} ${error_description}`);
  }
}

/** How many tokens of each window the log holds, by when they were made. */
async function recorded(): Promise<Map<number, number>> {
  const rows = await db.admin<{ window: number; made: number }>(
    `select (substring(encode(envelope, 'escape') from '"exp":(\\d+)')::int - $2::int) / $3::int as window, count(*)::int as made
     from mono.audit_events where tenant_id = $1 and actor = $4 and type = 'token.issued' group by 1`,
    [tenantId, machineTokenTtlSeconds, windowSeconds, `client:${form.get('client_id')}`],
  );
  return new Map(rows.map(({ window, made }) => [window, made]));
}

test(
  'eight servers asked as fast as they answer use up a window and never exceed it, also when one is killed',
  async () => {
    const end = { atSeconds: Number.POSITIVE_INFINITY };
    let first = 0;
    try {
      const clients = servers.flatMap((asked) => Array.from({ length: connectionsEach }, () => askOn(asked, end)));
      // Whole windows are those in which everybody mints from the beginning: a machine that is busy starts eight servers slowly.
      const everybody = () => servers.filter(({ answered }) => answered > 0).length;
      await Promise.race([expect.poll(everybody, { timeout: startedMsMax }).toBe(serversAsked), Promise.all(clients)]);
      first = Math.floor(nowSeconds(systemRuntime) / windowSeconds) + 1;
      const last = first + wholeWindows - 1;
      end.atSeconds = (last + 1) * windowSeconds;
      // In the last window one is killed, with what it held.
      const kill = async () => {
        const asked = servers[0] as Asked;
        await systemRuntime.sleep(last * windowSeconds * 1_000 + 200 - systemRuntime.nowMs());
        asked.ended = true;
        await asked.server.kill();
      };
      await Promise.all([...clients, kill()]);
    } finally {
      end.atSeconds = 0;
    }

    const made = await recorded();
    const told = JSON.stringify([...made].map(([window, tokens]) => [window - first, tokens]));
    for (const tokens of made.values()) expect(tokens, told).toBeLessThanOrEqual(tokensPerWindow);
    for (let n = 0; n < wholeWindows; n++) expect(made.get(first + n), told).toBeGreaterThanOrEqual(leastTokens);
    const answered = servers.reduce((sum, asked) => sum + asked.answered, 0);
    const log = [...made.values()].reduce((sum, tokens) => sum + tokens, 0);
    // The one that was killed may have had some in the log and not answered yet.
    expect(log).toBeGreaterThanOrEqual(answered);
    expect(log).toBeLessThanOrEqual(answered + connectionsEach);
    process.stdout.write(`${answered} tokens answered, by window: ${told}\n`);
  },
  timeoutMs,
);
