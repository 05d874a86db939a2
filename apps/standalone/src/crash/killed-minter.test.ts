import type { JsonObject } from '@bufbuild/protobuf';
import { uuidOf } from '@mono-auth/core/ids';
import { nowSeconds, systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Installation, openInstallation } from '../acceptance/installation.ts';
import { keepSealing } from '../acceptance/keep-sealing.ts';
import { openTenantScene, type TenantScene } from '../acceptance/tenant-scene.ts';
import { verifyLog } from './evidence.ts';
import { type EvidenceGate, type GatePoint, openEvidenceGate } from './evidence-gate.ts';
import { MintingProcess } from './minting-process.ts';

/*
 * A server is killed between the signature of a token and its answer, at each step of the way: a gate in front of Postgres
 * stops its evidence there. What the log holds afterwards, what was used up and what the client heard agree.
 */

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const rounds = 2;
const crowdRounds = 6;
const crowd = 8;
const timeoutMs = 60_000;

const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
const jwk = await exportJWK(publicKey);

let db: TestDatabase;
let installation: Installation;
let scene: TenantScene;
let gate: EvidenceGate;
let server: MintingProcess;
let exchangeForm: Record<string, string>;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  scene = await openTenantScene(installation, 'acme');
  gate = await openEvidenceGate(db.url);
  server = await startServer();
  const { body } = await scene.host.client.clientCredentials({ agent: scene.handles.agent });
  const subject = await scene.owner.token({ audience: scene.issuer, scope: 'orders:read' });
  exchangeForm = {
    ...{ grant_type: exchangeGrant, subject_token: subject, subject_token_type: accessToken },
    ...{ actor_token: String(body.access_token), actor_token_type: accessToken, resource: scene.resource },
  };
}, timeoutMs);
afterAll(async () => {
  await server?.stop();
  await gate?.close();
  await installation?.close();
  await db?.close();
}, timeoutMs);

/** What is sent, to the letter: it can be sent again. */
interface TokenRequest {
  readonly form: Readonly<Record<string, string>>;
  readonly proof: string;
}

interface Answer {
  readonly status: number;
  readonly body: JsonObject;
}

/** An assertion and a proof that nobody has shown yet. */
async function fresh(form: Record<string, string>): Promise<TokenRequest> {
  const client_assertion = await scene.host.client.assertion();
  return { form: { client_assertion_type: assertionType, client_assertion, ...form }, proof: await prove() };
}

async function prove(): Promise<string> {
  const htu = `${scene.issuer}/oauth2/token`;
  const sign = (nonce: string) => {
    const claims = { htm: 'POST', htu, nonce, jti: systemRuntime.uuid(), iat: nowSeconds(systemRuntime) };
    return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk }).sign(privateKey);
  };
  const body = new URLSearchParams({ grant_type: 'client_credentials' });
  const asked = await fetch(htu, { method: 'POST', body, headers: { dpop: await sign('none') } });
  return sign(asked.headers.get('dpop-nonce') ?? '');
}

/** Undefined when the connection ended without an answer. One connection for each request: nobody sends it a second time. */
async function send({ form, proof }: TokenRequest): Promise<Answer | undefined> {
  try {
    const response = await fetch(`${server.url}${new URL(scene.issuer).pathname}/oauth2/token`, {
      ...{ method: 'POST', body: new URLSearchParams(form), keepalive: false },
      headers: { dpop: proof, connection: 'close' },
    });
    return { status: response.status, body: (await response.json()) as JsonObject };
  } catch {
    return undefined;
  }
}

const startServer = () => MintingProcess.start({ databaseUrl: gate.url, baseUrl: installation.baseUrl, kek: testKek });

async function restart(): Promise<void> {
  await server.kill();
  server = await startServer();
}

async function countOf(sql: string, ...values: unknown[]): Promise<number> {
  const [row] = await db.admin<{ n: number }>(`select count(*)::int as n from ${sql}`, values);
  return row?.n ?? 0;
}

const tenant = () => uuidOf(scene.tenantId);
const recorded = (type: string) => countOf('mono.audit_events where tenant_id = $1 and type = $2', tenant(), type);
const usedUp = () => countOf('mono.consumed where tenant_id = $1', tenant());
const recordsOf = (body: JsonObject) =>
  countOf(
    "mono.audit_events where tenant_id = $1 and object_kind = 'token' and object_id = $2",
    tenant(),
    decodeJwt(String(body.access_token)).jti,
  );

/** The statement has run in Postgres, which waits for the word that commits it. */
const written = () =>
  countOf(
    `pg_stat_activity where datname = current_database() and usename = 'mono_audit_writer'
       and backend_xid is not null and wait_event = 'ClientRead'`,
  );

interface Gap {
  readonly name: string;
  readonly point: GatePoint;
  readonly isCommitted: boolean;
  /** What comes between reaching the point and the end. */
  before?(): Promise<unknown>;
}

const gaps: Gap[] = [
  { name: 'signed and not sent', point: 'unsent', isCommitted: false },
  {
    name: 'written and not committed',
    point: 'uncommitted',
    isCommitted: false,
    before: () => expect.poll(written, { timeout: 5_000, interval: 5 }).toBe(1),
  },
  { name: 'committed and not acknowledged', point: 'committed', isCommitted: true },
  {
    name: 'acknowledged and not answered',
    point: 'committed',
    isCommitted: true,
    before: async () => {
      await server.pause();
      await gate.pass();
    },
  },
];

interface Kind {
  readonly name: string;
  readonly event: string;
  readonly status: number;
  form(): Record<string, string>;
}

const elsewhere = { grant_type: 'client_credentials', resource: 'https://elsewhere.example' };
const kinds: Kind[] = [
  { name: 'a token', event: 'token.issued', status: 200, form: () => ({ grant_type: 'client_credentials' }) },
  { name: 'an exchange', event: 'token.exchanged', status: 200, form: () => exchangeForm },
  { name: 'a refusal', event: 'token.refused', status: 400, form: () => elsewhere },
];

const cases = kinds.flatMap((kind) => gaps.map((gap) => [kind.name, gap.name, kind, gap] as const));

describe('of a server that is killed the log holds what was committed, once, and nothing else', () => {
  test.each(cases)(
    '%s, %s',
    async (_kind, _gap, kind, gap) => {
      for (let round = 0; round < rounds; round++) {
        const request = await fresh(kind.form());
        const [events, uses] = [await recorded(kind.event), await usedUp()];
        const reached = gate.reach(gap.point, kind.event);
        const answer = send(request);
        await reached;
        await gap.before?.();
        await restart();
        expect(await answer).toBeUndefined();
        const kept = gap.isCommitted ? 1 : 0;
        expect(await recorded(kind.event)).toBe(events + kept);
        // The assertion and the proof.
        expect(await usedUp()).toBe(uses + 2 * kept);
        if (!gap.isCommitted) {
          const again = await send(request);
          expect(again?.status).toBe(kind.status);
          if (again?.status === 200) expect(await recordsOf(again.body)).toBe(1);
          expect(await recorded(kind.event)).toBe(events + 1);
        }
        expect((await send(request))?.body).toMatchObject({ error: 'invalid_client' });
        const other = await fresh(kind.form());
        const shown = await send({ form: other.form, proof: request.proof });
        expect(shown?.body).toMatchObject({ error: 'invalid_dpop_proof' });
      }
    },
    timeoutMs,
  );
});

test(
  'of many who ask at once, each is in the log once or can ask again, whoever was answered',
  async () => {
    const tally = { answered: 0, kept: 0 };
    for (let round = 0; round < crowdRounds; round++) {
      const requests = await Promise.all(
        Array.from({ length: crowd }, () => fresh({ grant_type: 'client_credentials' })),
      );
      const before = await recorded('token.issued');
      const reached = gate.reach('committed', 'token.issued');
      const answers = requests.map(send);
      await reached;
      await gate.pass();
      // From before the first of them hears of it until somebody was answered.
      if (round === crowdRounds - 1) await Promise.race(answers);
      else await systemRuntime.sleep(round);
      await restart();
      const kept = (await recorded('token.issued')) - before;
      let refused = 0;
      for (const [at, request] of requests.entries()) {
        const answer = await answers[at];
        const again = await send(request);
        if (again?.status !== 200) refused++;
        if (!answer) continue;
        tally.answered++;
        expect(again?.status).not.toBe(200);
        expect(await recordsOf(answer.body)).toBe(1);
      }
      expect(refused).toBe(kept);
      tally.kept += kept;
    }
    expect(tally.answered).toBeGreaterThan(0);
    // Some were killed between the two.
    expect(tally.kept).toBeGreaterThan(tally.answered);
  },
  timeoutMs,
);

test(
  'after all of it the log of the tenant is whole and verifies',
  async () => {
    const stopSealing = keepSealing(installation.controlPlane);
    try {
      expect(await verifyLog(scene.issuer, scene.ownerToken)).toBeGreaterThan(cases.length * rounds);
    } finally {
      await stopSealing();
    }
  },
  timeoutMs,
);
