import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { ErrorInfoSchema } from '@mono-auth/proto/google/rpc/error_details';
import { type Cursor, CursorSchema, FeedService, type WatchResponse } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { RevocationService } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import { TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { createRemoteJWKSet, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Installation, openInstallation } from './installation.ts';
import { tokenOf } from './plain-client.ts';
import { openTenantScene, type TenantScene } from './tenant-scene.ts';

let db: TestDatabase;
let installation: Installation;
let scene: TenantScene;
let other: TenantScene;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  scene = await openTenantScene(installation, 'alpha');
  other = await openTenantScene(installation, 'beta');
});
afterAll(async () => {
  await installation?.close();
  await db?.close();
});

interface Discovered {
  readonly issuer: string;
  readonly jwks_uri: string;
}

async function read(url: string): Promise<Discovered> {
  const answer = await fetch(url);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json']);
  expect(answer.headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
  return (await answer.json()) as Discovered;
}

/** The three places at which the specifications look for the metadata of an issuer with a path. */
function discoveryUrls(issuer: string): Record<'oidc' | 'oidcInserted' | 'oauth', string> {
  const { origin, pathname } = new URL(issuer);
  return {
    oidc: `${issuer}/.well-known/openid-configuration`,
    oidcInserted: `${origin}/.well-known/openid-configuration${pathname}`,
    oauth: `${origin}/.well-known/oauth-authorization-server${pathname}`,
  };
}

/** What a service does that has heard of nobody but the issuer: reads its metadata, fetches its keys, verifies. */
async function verifyWith(issuer: string, token: string, audience: string): Promise<JWTPayload> {
  const { jwks_uri, issuer: named } = await read(discoveryUrls(issuer).oauth);
  expect(named).toBe(issuer);
  const keys = createRemoteJWKSet(new URL(jwks_uri));
  return (await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt' })).payload;
}

describe('a stock JWT library with nothing but the issuer', () => {
  /** One token of each kind, with its audience and subject. */
  const tokens = {
    'a person': async () => [scene.ownerToken, `${scene.issuer}/rpc`, `user:${scene.handles.user}`],
    'a host': async () => [
      tokenOf(await scene.host.client.clientCredentials()),
      `${scene.issuer}/rpc`,
      `host:${scene.host.hostId}`,
    ],
    'a service': async () => [
      tokenOf(await scene.service.clientCredentials()),
      `${scene.issuer}/rpc`,
      `service:${scene.service.id}`,
    ],
    'an agent': async () => [
      tokenOf(await scene.host.client.clientCredentials({ agent: scene.handles.agent })),
      scene.issuer,
      `agent:${scene.handles.agent}`,
    ],
    'a person, held by an agent': async () => {
      const subject = await scene.owner.token({ audience: scene.issuer, scope: 'orders:read' });
      const actor = tokenOf(await scene.host.client.clientCredentials({ agent: scene.handles.agent }));
      const answer = await scene.host.client.exchange({ subject, actor }, { audience: scene.resource });
      return [tokenOf(answer), scene.resource, `user:${scene.handles.user}`];
    },
  } satisfies Record<string, () => Promise<string[]>>;

  test.each(Object.entries(tokens))('verifies the token of %s', async (_, make) => {
    const [token = '', audience = '', subject] = await make();
    const claims = await verifyWith(scene.issuer, token, audience);
    expect(claims).toMatchObject({ sub: subject, tenant_id: scene.tenantId, iss: scene.issuer });
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'ES256', kid: expect.stringMatching(/^key_/) });
    await expect(verifyWith(scene.issuer, token, 'https://else.example')).rejects.toThrow(/aud/);
  });

  test('refuses a token that was changed, and one of another tenant', async () => {
    const audience = `${scene.issuer}/rpc`;
    const [header, payload = '', signature] = scene.ownerToken.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const changed = Buffer.from(JSON.stringify({ ...claims, scope: `${claims.scope} more` })).toString('base64url');
    const forged = [header, changed, signature].join('.');
    await expect(verifyWith(scene.issuer, forged, audience)).rejects.toThrow(/signature/);
    await expect(verifyWith(scene.issuer, other.ownerToken, audience)).rejects.toThrow(/no applicable key/);
  });

  test('finds one truth in the three forms of discovery', async () => {
    const urls = discoveryUrls(scene.issuer);
    const [oidc, inserted, oauth] = await Promise.all([read(urls.oidc), read(urls.oidcInserted), read(urls.oauth)]);
    expect(inserted).toEqual(oidc);
    expect(oidc).toMatchObject(oauth);
    expect(oauth.issuer).toBe(scene.issuer);
  });

  test('holds no private part and no key of another tenant', async () => {
    const keysOf = async ({ issuer }: TenantScene) => {
      const { keys } = (await (await fetch(`${issuer}/jwks`)).json()) as { keys: Record<string, string>[] };
      expect(keys.length).toBeGreaterThan(0);
      return keys;
    };
    const [mine, theirs] = [await keysOf(scene), await keysOf(other)];
    const members = [...mine, ...theirs].flatMap(Object.keys);
    expect(members.filter((name) => ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth'].includes(name))).toEqual([]);
    const kids = theirs.map(({ kid }) => kid);
    expect(mine.filter(({ kid }) => kids.includes(kid))).toEqual([]);
  });
});

const transports = {
  'Connect, binary': (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: '1.1' }),
  'Connect, JSON': (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false }),
  'gRPC-Web': (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }),
};

async function errorOf(work: Promise<unknown>): Promise<ConnectError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ConnectError) return error;
  throw new Error(`no Connect error: ${error}`);
}

const infoOf = (error: ConnectError) => error.findDetails(ErrorInfoSchema)[0];

describe.each(Object.entries(transports))('a stock client over %s', (_, open) => {
  const headers = () => ({ headers: { authorization: `Bearer ${scene.ownerToken}` } });
  /** On the path of the tenant, or where the token alone names it. */
  const bases = () => [`${scene.issuer}/rpc`, installation.baseUrl];

  test('calls unary RPCs, on the path of the tenant and at the root', async () => {
    for (const base of bases()) {
      const { tenant } = await createClient(TenantService, open(base)).getTenant({}, headers());
      expect(tenant).toMatchObject({ id: scene.tenantId, slug: 'alpha', issuer: scene.issuer });
    }
  });

  test('gets the reason of every refusal as ErrorInfo', async () => {
    for (const base of bases()) {
      const machines = createClient(MachineService, open(base));
      const missing = await errorOf(machines.getHost({ id: newId(systemRuntime, 'hst') }, headers()));
      expect([missing.code, infoOf(missing)?.reason]).toEqual([Code.NotFound, 'not_found']);
      const invalid = await errorOf(machines.getHost({ id: '' }, headers()));
      expect([invalid.code, infoOf(invalid)?.reason]).toEqual([Code.InvalidArgument, 'invalid_request']);
      const nobody = await errorOf(machines.listHosts({}));
      expect([nobody.code, infoOf(nobody)?.reason]).toEqual([Code.Unauthenticated, 'not_authenticated']);
      const denied = await errorOf(createClient(TenantService, open(base)).listTenants({}, headers()));
      expect([denied.code, infoOf(denied)]).toMatchObject([
        Code.PermissionDenied,
        { reason: 'denied', domain: 'monoauth', metadata: { retryable: 'false' } },
      ]);
    }
  });

  /** Reads a stream until `enough`, then leaves it. */
  async function watch(subscriberId: string, cursor: Cursor | undefined, enough: (seen: WatchResponse[]) => boolean) {
    const seen: WatchResponse[] = [];
    const feed = createClient(FeedService, open(`${scene.issuer}/rpc`));
    for await (const message of feed.watch({ subscriberId, ...(cursor && { cursor }) }, headers())) {
      seen.push(message);
      if (enough(seen)) return seen;
    }
    throw new Error('the stream ended');
  }

  const cursorAt = (message: WatchResponse | undefined) => {
    if (!message?.head) throw new Error('a message without a head');
    const { incarnation, seq, hash } = message.head;
    return create(CursorSchema, { incarnation, seq, hash });
  };
  const entriesIn = (seen: WatchResponse[]) => seen.flatMap(({ entries }) => entries.map(({ seq }) => seq));

  test('follows the feed, and resumes at its cursor with neither a gap nor a repetition', async () => {
    const feed = createClient(FeedService, open(`${scene.issuer}/rpc`));
    const { subscriberId } = await feed.register({ name: systemRuntime.uuid() }, headers());
    const first = await watch(subscriberId, undefined, (seen) => seen.length === 1);
    const cursor = cursorAt(first[0]);
    expect(entriesIn(first)).toEqual(Array.from({ length: Number(cursor.seq) }, (_, index) => BigInt(index + 1)));

    const revocations = createClient(RevocationService, open(`${scene.issuer}/rpc`));
    const revoke = () =>
      revocations.revoke(
        { target: { target: { case: 'tokenId', value: newId(systemRuntime, 'tok') } }, reason: 'lost' },
        headers(),
      );
    await revoke();
    const live = watch(subscriberId, cursor, (seen) => entriesIn(seen).length === 2);
    await revoke();
    expect(entriesIn(await live)).toEqual([cursor.seq + 1n, cursor.seq + 2n]);
    const again = await watch(subscriberId, cursor, (seen) => entriesIn(seen).length === 2);
    expect(entriesIn(again)).toEqual([cursor.seq + 1n, cursor.seq + 2n]);
  });

  test('is told to start again when its cursor is no place of this feed', async () => {
    const feed = createClient(FeedService, open(`${scene.issuer}/rpc`));
    const { subscriberId } = await feed.register({ name: systemRuntime.uuid() }, headers());
    const [message] = await watch(subscriberId, undefined, () => true);
    const good = cursorAt(message);
    for (const bad of [
      { ...good, hash: new Uint8Array(32) },
      { ...good, incarnation: good.incarnation + 1n },
      { ...good, seq: good.seq + 100n },
    ]) {
      const error = await errorOf(watch(subscriberId, bad, () => true));
      expect([error.code, infoOf(error)?.reason]).toEqual([Code.OutOfRange, 'reset_required']);
    }
  });
});
