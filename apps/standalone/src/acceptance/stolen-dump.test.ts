import { createHmac, createPrivateKey } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '@bufbuild/protobuf';
import { createControlPlane } from '@mono-auth/control-plane';
import { idFromUuid } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { createLocalKms, type Kms } from '@mono-auth/keys';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Person } from '../tour/person.ts';
import { renewalOf } from './enrol-plainly.ts';
import { type Installation, openInstallation, ownerEmail, ownerPassword } from './installation.ts';
import { makeKey, postRpc, tokenOf } from './plain-client.ts';
import { credentialsIn, type DumpedValue, formsOfSecret } from './stolen-dump.ts';
import { openTenantScene, type TenantScene } from './tenant-scene.ts';

/** Somebody has the database, its files included, and not the key-encryption key. */
const machines = 'monoauth.machines.v1.MachineService';
/** Presented at once. */
const lanes = 16;

let db: TestDatabase;
let installation: Installation;
let scene: TenantScene;
/** The session cookie as the browser sends it. */
let cookie = { name: '', token: '', signature: '' };
let dump: DumpedValue[];
/** Whatever in it could be a credential, and where it stood. */
let found: Map<string, string>;
/** Of the scene's agent, with which its host exchanges tokens. */
let agentToken: string;
/** What was handed out and must not be stored. */
let handedOut: string[];

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek, {
    tamper: (request, answer) => {
      const [, name, value] = /(mono\.ten_[^=]+)=([^;]+)/.exec(request.headers.get('cookie') ?? '') ?? [];
      const [token, signature] = decodeURIComponent(value ?? '').split('.');
      // The first is the owner's; those that follow are tried by the thief.
      if (cookie.name === '' && name && token && signature) cookie = { name, token, signature };
      return answer();
    },
  });
  scene = await openTenantScene(installation, 'alpha');
  const renewal = await postRpc(
    scene.issuer,
    `${machines}/RenewHost`,
    await renewalOf(scene.host, systemRuntime.uuid()),
  );
  expect(renewal.status).toBe(200);
  agentToken = tokenOf(await scene.host.client.clientCredentials({ agent: scene.handles.agent }));
  handedOut = [scene.ownerToken, agentToken, await scene.owner.token(), scene.handles.inviteToken, ownerPassword];
  // A challenge that nobody has answered yet, as well.
  await postRpc(scene.issuer, `${machines}/Challenge`, { credential: scene.handles.inviteToken });
  dump = await db.dump();
  found = new Map(dump.flatMap((dumped) => credentialsIn(dumped).map((text) => [text, dumped.column] as const)));
});
afterAll(async () => {
  await installation?.close();
  await db?.close();
});

/** The files of this database under the server's data directory, after a checkpoint. */
async function readDataFiles(): Promise<Buffer[]> {
  await db.admin('checkpoint');
  const [row] = await db.admin<{ directory: string; oid: number }>(
    "select current_setting('data_directory') as directory, oid from pg_database where datname = current_database()",
  );
  const directory = join(row?.directory ?? '', 'base', String(row?.oid));
  return readdirSync(directory).map((name) => readFileSync(join(directory, name)));
}

interface WrappedKey {
  readonly wrapped: Buffer;
  readonly aad: string;
}

async function wrappedKeys(): Promise<WrappedKey[]> {
  const rows = await db.admin<{ tenant: string; kid: string; purpose: string; wrapped: Buffer }>(
    'select tenant_id as tenant, kid, purpose, wrapped_private_key as wrapped from mono.signing_keys',
  );
  return rows.map(({ tenant, kid, purpose, wrapped }) => ({
    wrapped,
    aad: `${idFromUuid('ten', tenant)}|${purpose}|${idFromUuid('key', kid)}`,
  }));
}

/** The private members of every signing key, which only the key-encryption key gives back. */
async function privateMembers(kms: Kms): Promise<Buffer[]> {
  const members: Buffer[] = [];
  for (const { wrapped, aad } of await wrappedKeys()) {
    const key = createPrivateKey({ key: Buffer.from(await kms.unwrap(wrapped, aad)), format: 'der', type: 'pkcs8' });
    const { d = '', p } = key.export({ format: 'jwk' });
    members.push(Buffer.from(d, 'base64url'), ...(p ? [Buffer.from(p, 'base64url')] : []));
  }
  return members;
}

/** Whether this text opens the door. The doors of grants, with the client's own credential in hand, are in oauth/stolen-grants.test.ts. */
const doors: Readonly<Record<string, (text: string) => Promise<boolean>>> = {
  'a bearer token': async (text) => {
    const answer = await postRpc(scene.issuer, 'monoauth.tenants.v1.TenantService/GetTenant', {}, text);
    return answer.status === 200;
  },
  'a session cookie': (text) => signedIn(text),
  'an invite': async (text) =>
    (await postRpc(scene.issuer, `${machines}/Challenge`, { credential: text })).status === 200,
  'a refresh token': (refresh_token) => granted({ grant_type: 'refresh_token', refresh_token }),
  'an authorization code': (code) => granted({ grant_type: 'authorization_code', code }),
  'a subject token': async (subject) =>
    (await scene.host.client.exchange({ subject, actor: agentToken }, { audience: scene.resource })).status === 200,
  'a client secret': async (client_secret) => {
    const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: scene.service.id, client_secret });
    return (await fetch(`${scene.issuer}/oauth2/token`, { method: 'POST', body })).status === 200;
  },
};

async function granted(form: Record<string, string>): Promise<boolean> {
  return (await scene.service.post('token', { ...form, redirect_uri: 'https://orders.example/cb' })).status === 200;
}

async function signedIn(value: string): Promise<boolean> {
  const headers = {
    origin: new URL(scene.issuer).origin,
    'content-type': 'application/json',
    cookie: `${cookie.name}=${encodeURIComponent(value)}`,
  };
  return (await fetch(`${scene.issuer}/auth/token`, { method: 'POST', headers, body: '{}' })).status === 200;
}

/** Runs `work` on every item, several at once. */
async function forAll<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const lane = async (): Promise<void> => {
    for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

const isHeaderSafe = (text: string) => /^[\x21-\x7e]+$/.test(text);

/** So that a closed door means something. */
async function expectOpenDoors(): Promise<void> {
  const subject = await scene.owner.token({ audience: scene.issuer, scope: 'orders:read' });
  const credentials = {
    'a bearer token': scene.ownerToken,
    'a session cookie': `${cookie.token}.${cookie.signature}`,
    'an invite': scene.handles.inviteToken,
    'a subject token': subject,
  };
  for (const [door, text] of Object.entries(credentials)) expect(await doors[door]?.(text), door).toBe(true);
}

test('no private key, no key-encryption key and nothing that was handed out stands in a row or a file of the database', async () => {
  const secrets = [testKek, ...(await privateMembers(createLocalKms(testKek)))];
  expect(secrets.length).toBeGreaterThan(12);
  const needles = [
    ...secrets.flatMap(formsOfSecret),
    // The signature is what makes a token of its claims.
    ...handedOut.map((text) => Buffer.from(text.slice(text.lastIndexOf('.') + 1))),
    ...[cookie.signature, 'PRIVATE KEY', '"d":'].map((text) => Buffer.from(text)),
  ];
  const rows = dump.map(({ value }) => Buffer.from(value as string));
  const files = await readDataFiles();
  // What is stored in the clear is found in both, so the search finds.
  for (const place of [rows, files]) expect(place.some((bytes) => bytes.includes(cookie.token))).toBe(true);
  const hits = needles.filter((needle) => [...rows, ...files].some((bytes) => bytes.includes(needle)));
  expect(hits.map((needle) => needle.toString('latin1'))).toEqual([]);
});

test('another key-encryption key unwraps no signing key, and starts no server', async () => {
  const other = new Uint8Array(32).fill(9);
  const keys = await wrappedKeys();
  expect(keys.length).toBeGreaterThan(10);
  for (const { wrapped, aad } of keys) await expect(createLocalKms(other).unwrap(wrapped, aad)).rejects.toThrow();
  const start = createControlPlane({
    ...{ database: db.database, runtime: systemRuntime, kek: other, baseUrl: installation.baseUrl },
    log: pino({ level: 'silent' }),
  });
  await expect(start).rejects.toThrow(/^MONO_KEK: not the key/);
});

test('no stored value opens any door', async () => {
  expect(found.size).toBeGreaterThan(100);
  expect(found.get(cookie.token)).toBe('identity.session.token');
  const opened: string[] = [];
  await expectOpenDoors();
  await forAll(found, async ([text, column]) => {
    for (const [door, tryWith] of Object.entries(doors)) {
      if (!isHeaderSafe(text) && /token|cookie/.test(door)) continue;
      if (await tryWith(text)) opened.push(`${column} as ${door}`);
    }
  });
  await expectOpenDoors();
  process.stdout.write(`${found.size} values of the dump were tried at ${Object.keys(doors).length} doors\n`);
  // The last answer to a renewal is kept for who has lost it; it opens nothing without the host's own key.
  expect(opened.filter((each) => !/^mono\.hosts\.\w+ as an invite$/.test(each))).toEqual([]);
});

test('a stored join state renews nothing without the key of its host, and redeems as no invite', async () => {
  const joinStates = [...found].filter(
    ([text, column]) => column.startsWith('mono.hosts.') && text.split('.').length === 3,
  );
  expect(joinStates.length).toBeGreaterThan(0);
  for (const [joinState] of joinStates) {
    const client = { ...scene.host.client, issuer: scene.issuer, key: await makeKey() };
    const renewal = await renewalOf(
      { ...scene.host, client: client as typeof scene.host.client, joinState },
      systemRuntime.uuid(),
    );
    expect((await postRpc(scene.issuer, `${machines}/RenewHost`, renewal)).status).toBe(401);
    const publicJwk = client.key.publicJwk as JsonObject;
    const redemption = { invite: joinState, publicJwk, proof: String(renewal.proof) };
    expect((await postRpc(scene.issuer, `${machines}/RedeemInvite`, redemption)).status).toBe(401);
  }
});

test('a session that is stored in the clear is refused unsigned, and nothing in the dump is the key that signs it', async () => {
  const { token } = cookie;
  const keys = dump.flatMap(({ value }) => (typeof value === 'string' ? [] : [value]));
  const texts = [...found.keys()].map((text) => Buffer.from(text));
  const secrets = [...new Map([...keys, ...texts, Buffer.alloc(32)].map((key) => [key.toString('hex'), key])).values()];
  const opened: string[] = [];
  await forAll(secrets, async (secret) => {
    // RFC 2104, as Better Auth signs its cookies.
    const signature = createHmac('sha256', secret).update(token).digest('base64');
    if (await signedIn(`${token}.${signature}`)) opened.push(secret.toString('hex'));
  });
  expect(opened).toEqual([]);
  for (const forged of [token, `${token}.`, `${token}.${token}`]) expect(await signedIn(forged)).toBe(false);
  expect(await signedIn(`${token}.${cookie.signature}`)).toBe(true);
});

test('a stored password hash is no password', async () => {
  const hashes = [...found].filter(([, column]) => column === 'identity.account.password');
  expect(hashes.length).toBeGreaterThan(0);
  for (const [hash] of hashes.slice(0, 1)) {
    await expect(Person.signIn(installation.baseUrl, 'alpha', ownerEmail, hash)).rejects.toThrow(/ended with/);
  }
});
