import { hex } from '@mono-auth/core/encoding';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askToExchange, type Contestant, tokenOfForm } from '../contestant.ts';
import type { LoadRequest } from '../load-task.ts';
import { type Peer, startBetterAuth, startOidcProvider } from '../peer-rows.ts';
import { proveToken } from '../prove-token.ts';

let db: TestDatabase;
let oidc: Peer;
let betterAuth: Peer;

beforeAll(async () => {
  db = await openTestDatabase();
  const schema = `peer_${hex(runtime.randomBytes(8))}`;
  await db.admin(`create schema ${schema}`);
  const url = new URL(db.url);
  url.searchParams.set('options', `-c search_path=${schema}`);
  oidc = await startOidcProvider({});
  betterAuth = await startBetterAuth({}, url.toString());
}, 120_000);
afterAll(async () => {
  await Promise.all([oidc, betterAuth].map((peer) => peer.process.end()));
  await db.close();
});

async function send(row: Contestant, { path, headers, body }: LoadRequest): Promise<Response> {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  return fetch(new URL(path, row.server.url), { method: 'POST', headers: { ...form, ...headers }, body });
}

async function ask(row: Contestant): Promise<{ request: LoadRequest; body: string }> {
  const { requests } = await row.prepare(1);
  const [request] = requests as LoadRequest[];
  if (!request) throw new Error(`${row.name} sends nothing`);
  const response = await send(row, request);
  expect(response.status).toBe(200);
  return { request, body: await response.text() };
}

test('every peer answers what we ask of it with an ES256 access token that its own keys prove', async () => {
  const rows = [...oidc.rows, ...betterAuth.rows];
  expect(rows).toHaveLength(3);
  for (const row of rows) await proveToken(row, (await ask(row)).body);
});

test("oidc-provider's exchange names the actor, and takes no token that it has not signed", async () => {
  const [own, exchange] = oidc.rows as [Contestant, Contestant];
  const { body, request } = await ask(exchange);
  expect(await proveToken(exchange, body)).toMatchObject({ sub: 'bench', act: { sub: 'bench' } });
  const token = tokenOfForm((await ask(own)).body);
  const [header, claims, signature = ''] = token.split('.');
  const forged = `${header}.${claims}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
  const again = (subject: string) =>
    send(exchange, { ...request, body: new URLSearchParams(askToExchange(subject)).toString() });
  expect((await again(token)).status).toBe(200);
  const refused = await again(forged);
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({ error: 'invalid_grant' });
});
