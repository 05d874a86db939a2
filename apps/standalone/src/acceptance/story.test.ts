import type { JsonObject } from '@bufbuild/protobuf';
import { concatBytes } from '@mono-auth/core/encoding';
import { systemRuntime } from '@mono-auth/core/runtime';
import { type AccessTokenClaims, actorChain } from '@mono-auth/core/token-claims';
import { bundle, note } from '@mono-auth/log-engine';
import { AuditService } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { EnforcementState, RevocationService } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Person, rpcClient } from '../tour/person.ts';
import { enrolPlainly } from './enrol-plainly.ts';
import { type Installation, openInstallation } from './installation.ts';
import { type PlainClient, postRpc, tokenOf } from './plain-client.ts';
import { openTenantScene, orderScopes, type TenantScene } from './tenant-scene.ts';

let db: TestDatabase;
let installation: Installation;
let scene: TenantScene;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  scene = await openTenantScene(installation, 'alpha');
});
afterAll(async () => {
  await installation?.close();
  await db?.close();
});

/** A host with one agent, made for one test to destroy. */
interface Machine {
  readonly client: PlainClient;
  readonly hostId: string;
  readonly agentId: string;
}

async function rpc(method: string, message: JsonObject): Promise<JsonObject> {
  const { status, body } = await postRpc(scene.issuer, `monoauth.${method}`, message, scene.ownerToken);
  if (status !== 200) throw new Error(`${method}: ${status} ${JSON.stringify(body)}`);
  return body;
}

async function newMachine(): Promise<Machine> {
  const audiences = [scene.resource];
  const hostName = systemRuntime.uuid();
  const { token } = await rpc('machines.v1.MachineService/CreateInvite', { hostName, scopes: orderScopes, audiences });
  const { client, hostId } = await enrolPlainly(scene.issuer, token as string);
  const named = { hostId, name: 'reconciler', scopes: orderScopes };
  const { agent } = await rpc('machines.v1.MachineService/CreateAgent', named);
  return { client, hostId, agentId: (agent as { id: string }).id };
}

/** A subject token, as a person gives it to an agent. */
const subjectToken = (scope = orderScopes.join(' '), person: Person = scene.owner) =>
  person.token({ audience: scene.issuer, scope });
const actorToken = async ({ client, agentId }: Machine) => tokenOf(await client.clientCredentials({ agent: agentId }));

async function delegated(machine: Machine, subject?: string): Promise<string> {
  const tokens = { subject: subject ?? (await subjectToken()), actor: await actorToken(machine) };
  return tokenOf(await machine.client.exchange(tokens, { audience: scene.resource }));
}

const claimsOf = (token: string) => decodeJwt<AccessTokenClaims>(token);

/** Whether the service that a token is for is told that it is good. */
async function isActive(token: string): Promise<boolean> {
  return (await scene.service.introspect(token)).body.active === true;
}

async function revoke(target: JsonObject): Promise<{ feedSeq: string; jwksOnlyUntil: string }> {
  const { receipt } = await rpc('revocation.v1.RevocationService/Revoke', { target, reason: 'told by the story' });
  return receipt as { feedSeq: string; jwksOnlyUntil: string };
}

describe('an exchange', () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await newMachine();
  });

  test('carries the person, the agent and the host, and names the tokens that it was made from', async () => {
    const [subject, actor] = [await subjectToken(), await actorToken(machine)];
    const answer = await machine.client.exchange(
      { subject, actor },
      { audience: scene.resource, scope: 'orders:read' },
    );
    expect(answer).toMatchObject({
      status: 200,
      body: {
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        token_type: 'Bearer',
        scope: 'orders:read',
      },
    });
    const token = tokenOf(answer);
    const [claims, ofSubject, ofActor] = [claimsOf(token), claimsOf(subject), claimsOf(actor)];
    expect(decodeProtectedHeader(token)).toMatchObject({ typ: 'at+jwt', alg: 'ES256' });
    expect(claims).toMatchObject({
      iss: scene.issuer,
      aud: scene.resource,
      sub: `user:${scene.handles.user}`,
      client_id: machine.client.id,
      tenant_id: scene.tenantId,
      tenant_role: 'owner',
      sid: ofSubject.sid,
      scope: 'orders:read',
      ep: 1,
      pv: 1,
    });
    expect(actorChain(claims.act)).toEqual([`agent:${machine.agentId}`, `host:${machine.hostId}`]);
    expect(claims.act?.act?.act).toBeUndefined();
    expect([...(claims.pjti ?? [])].sort()).toEqual([ofSubject.jti, ofActor.jti].sort());
    expect(claims.did).toMatch(/^dec_/);
    expect(claims.fs).toBeLessThanOrEqual(Math.min(ofSubject.fs, ofActor.fs));
    expect(answer.body.expires_in).toBe(claims.exp - claims.iat);
    expect(await isActive(token)).toBe(true);
  });

  test('gives what the person, the agent, the host and the request all hold, and refuses when that is nothing', async () => {
    const actor = await actorToken(machine);
    const ask = async (held: string, scope: string) =>
      machine.client.exchange({ subject: await subjectToken(held), actor }, { audience: scene.resource, scope });
    expect((await ask('orders:read orders:delete', 'orders:read orders:write orders:delete')).body.scope).toBe(
      'orders:read',
    );
    expect(await ask('orders:read', 'orders:write')).toMatchObject({ status: 400, body: { error: 'invalid_scope' } });
    expect(await ask('orders:delete', 'orders:delete')).toMatchObject({ body: { error: 'invalid_scope' } });
  });

  test('outlives none of the tokens that it was made from', async () => {
    const actor = await actorToken(machine);
    const until = claimsOf(actor).exp;
    await systemRuntime.sleep(1_100);
    const subject = await subjectToken();
    expect(claimsOf(subject).exp).toBeGreaterThan(until);
    const answer = await machine.client.exchange({ subject, actor }, { audience: scene.resource });
    const claims = claimsOf(tokenOf(answer));
    expect(claims.exp).toBe(until);
    expect(claims.exp - claims.iat).toBeLessThan(300);
  });

  test('without an actor is refused: a host never acts alone', async () => {
    const answer = await machine.client.exchange({ subject: await subjectToken() }, { audience: scene.resource });
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    expect(answer.body.error_description).toMatch(/^actor_token: is required/);
  });

  test('with the agent of another host is refused, as is asking for that agent', async () => {
    const stranger = await newMachine();
    const [subject, actor] = [await subjectToken(), await actorToken(machine)];
    const answer = await stranger.client.exchange({ subject, actor }, { audience: scene.resource });
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    expect(answer.body.error_description).toMatch(/^actor_token: /);
    expect(await stranger.client.clientCredentials({ agent: machine.agentId })).toMatchObject({ status: 400 });
  });

  test('of a token that already has an actor, meant for somebody else, is refused', async () => {
    const [subject, actor] = [await delegated(machine), await actorToken(machine)];
    const answer = await machine.client.exchange({ subject, actor }, { audience: scene.resource });
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    expect(answer.body.error_description).toMatch(/^subject_token: /);
  });

  test('for a service that the host was not given is refused', async () => {
    const tokens = { subject: await subjectToken(), actor: await actorToken(machine) };
    const answer = await machine.client.exchange(tokens, { audience: 'https://payroll.example' });
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_target' } });
  });

  test.each(['exchange', 'client_credentials'])(
    'takes an assertion once, and not when it was replayed: %s',
    async (grant) => {
      const client_assertion = await machine.client.assertion();
      const tokens = { subject: await subjectToken(), actor: await actorToken(machine) };
      const send = () =>
        grant === 'exchange'
          ? machine.client.exchange(tokens, { audience: scene.resource, client_assertion })
          : machine.client.clientCredentials({ client_assertion });
      tokenOf(await send());
      expect(await send()).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    },
  );

  test('takes an assertion for this issuer alone', async () => {
    for (const aud of [`${scene.issuer}/oauth2/token`, [scene.issuer, 'https://else.example'], installation.baseUrl]) {
      const client_assertion = await machine.client.assertion({ aud });
      expect(await machine.client.clientCredentials({ client_assertion })).toMatchObject({ status: 401 });
    }
  });
});

describe('a revocation ends what it must, and nothing else', () => {
  test('of a token: that token and what was made from it', async () => {
    const machine = await newMachine();
    const [subject, other] = [await subjectToken(), await subjectToken()];
    const [child, sibling] = [await delegated(machine, subject), await delegated(machine, subject)];
    const stranger = await delegated(machine, other);
    await revoke({ tokenId: claimsOf(child).jti });
    expect([await isActive(child), await isActive(sibling), await isActive(stranger)]).toEqual([false, true, true]);
    await revoke({ tokenId: claimsOf(subject).jti });
    expect([await isActive(sibling), await isActive(stranger)]).toEqual([false, true]);
    const tokens = { subject, actor: await actorToken(machine) };
    expect(await machine.client.exchange(tokens, { audience: scene.resource })).toMatchObject({ status: 400 });
  });

  test('of a token by the client that holds it (RFC 7009): its own, and no other’s', async () => {
    const [machine, stranger] = [await newMachine(), await newMachine()];
    const token = await delegated(machine);
    expect((await stranger.client.post('revoke', { token })).status).toBeGreaterThanOrEqual(400);
    expect(await isActive(token)).toBe(true);
    expect((await machine.client.post('revoke', { token })).status).toBe(200);
    expect(await isActive(token)).toBe(false);
  });

  test('of a session: its cookie and every token that came of it', async () => {
    const machine = await newMachine();
    const lost = await installation.signIn('alpha');
    const ofLost = await lost.token();
    const [child, kept] = [await delegated(machine, await subjectToken(undefined, lost)), await delegated(machine)];
    await revoke({ sessionId: claimsOf(ofLost).sid ?? '' });
    expect([await isActive(child), await isActive(kept)]).toEqual([false, true]);
    expect((await postRpc(scene.issuer, 'monoauth.tenants.v1.TenantService/GetTenant', {}, ofLost)).status).toBe(401);
    expect((await lost.fetch('/account')).status).toBe(303);
    await expect(lost.token()).rejects.toThrow(/401/);
    expect((await scene.owner.fetch('/account')).status).toBe(200);
  });

  test('of a host: its tokens, its agents’ and every delegated one, at every door', async () => {
    const [machine, neighbour] = [await newMachine(), await newMachine()];
    const subject = await subjectToken();
    const [token, kept] = [await delegated(machine, subject), await delegated(neighbour, subject)];
    const [own, actor] = [tokenOf(await machine.client.clientCredentials()), await actorToken(machine)];
    const read = (bearer: string) =>
      postRpc(scene.issuer, 'monoauth.tenants.v1.TenantService/GetTenant', {}, bearer).then(({ status }) => status);
    expect(await read(own)).toBe(403);
    const { jwksOnlyUntil } = await revoke({ hostId: machine.hostId });

    const exchange = await machine.client.exchange({ subject, actor }, { audience: scene.resource });
    expect(exchange.status).toBeGreaterThanOrEqual(400);
    expect(exchange.body.access_token).toBeUndefined();
    expect((await machine.client.clientCredentials()).status).toBeGreaterThanOrEqual(400);
    expect([await isActive(token), await isActive(own), await isActive(actor)]).toEqual([false, false, false]);
    expect(await read(own)).toBe(401);
    const host = await rpc('machines.v1.MachineService/GetHost', { id: machine.hostId });
    expect(host).toMatchObject({ host: { status: 'HOST_STATUS_REVOKED' } });

    expect(await isActive(kept)).toBe(true);
    expect(await read(scene.ownerToken)).toBe(200);
    tokenOf(await neighbour.client.clientCredentials());

    // Who holds nothing but the keys learns it when the token ends, and the receipt says when that is.
    const keys = createRemoteJWKSet(new URL(`${scene.issuer}/jwks`));
    const { payload } = await jwtVerify(token, keys, { issuer: scene.issuer, audience: scene.resource });
    expect((payload.exp ?? 0) * 1000).toBeLessThanOrEqual(Date.parse(jwksOnlyUntil));
  });

  test('of a tenant: every token and session of it, and none of another one', async () => {
    const [doomed, safe] = [
      await openTenantScene(installation, 'doomed'),
      await installation.provision('safe').then(() => installation.signIn('safe')),
    ];
    const kept = await safe.token();
    const machine = tokenOf(await doomed.host.client.clientCredentials());
    const order = { target: { tenant: true }, reason: 'breach' };
    const method = 'monoauth.revocation.v1.RevocationService/Revoke';
    expect((await postRpc(doomed.issuer, method, order, doomed.ownerToken)).status).toBe(200);
    const read = (issuer: string, bearer: string) =>
      postRpc(issuer, 'monoauth.tenants.v1.TenantService/GetTenant', {}, bearer).then(({ status }) => status);
    expect([await read(doomed.issuer, doomed.ownerToken), await read(doomed.issuer, machine)]).toEqual([401, 401]);
    expect((await doomed.service.introspect(machine)).body).toEqual({ active: false });
    await expect(doomed.owner.token()).rejects.toThrow(/401/);

    const again = await (await installation.signIn('doomed')).token();
    expect(claimsOf(again).ep).toBe(2);
    expect(await read(doomed.issuer, again)).toBe(200);
    expect(claimsOf(tokenOf(await doomed.host.client.clientCredentials())).ep).toBe(2);
    expect(await read(safe.issuer, kept)).toBe(200);
  });
});

describe('a receipt', () => {
  test('counts an enforcement point when it has said that it applied the entry, and not before', async () => {
    await installation.provision('receipts');
    const owner = await installation.signIn('receipts');
    const token = await owner.token();
    const feed = rpcClient(owner.issuer, FeedService, token);
    const revocations = rpcClient(owner.issuer, RevocationService, token);
    const points = await Promise.all(
      ['edge-1', 'edge-2'].map((name) => feed.register({ name, leaseMs: 60_000 }).then((made) => made.subscriberId)),
    );
    /** Follows up to this entry and says so: the first head on a stream may be a second old. */
    const catchUp = async (subscriberId = '', upTo = 0n) => {
      for await (const { head } of feed.watch({ subscriberId })) {
        if (!head || head.seq < upTo) continue;
        const { incarnation, seq, hash } = head;
        await feed.acknowledge({ subscriberId, applied: { incarnation, seq, hash }, nonce: systemRuntime.uuid() });
        return;
      }
    };
    for (const point of points) await catchUp(point);
    // The gateway follows by itself; nobody but it knows when it has begun.
    const gatewayFollows = async () =>
      (await feed.listSubscribers({})).subscribers.some(
        ({ name, appliedSeq }) => name === 'gateway' && appliedSeq > 0n,
      );
    while (!(await gatewayFollows())) await systemRuntime.sleep(50);

    const target = { target: { case: 'tokenId', value: claimsOf(await owner.token()).jti } } as const;
    const { revocation, receipt } = await revocations.revoke({ target, reason: 'lost' });
    expect(receipt).toMatchObject({ registered: 3 });
    const applied = async () => {
      const answer = await revocations.getReceipt({ revocationId: revocation?.id ?? '' });
      const names = answer.receipt?.points.filter(({ state }) => state === EnforcementState.APPLIED);
      expect([answer.receipt?.enforced, answer.receipt?.registered]).toEqual([names?.length, 3]);
      return names?.map(({ name }) => name).sort();
    };
    const gatewayApplied = async () => (await applied())?.includes('gateway');
    while (!(await gatewayApplied())) await systemRuntime.sleep(50);
    expect(await applied()).toEqual(['gateway']);
    await catchUp(points[0], receipt?.feedSeq);
    expect(await applied()).toEqual(['edge-1', 'gateway']);
    await catchUp(points[1], receipt?.feedSeq);
    expect(await applied()).toEqual(['edge-1', 'edge-2', 'gateway']);
  });
});

describe('the evidence of all this', () => {
  let exported: Uint8Array;
  let vkeys: ReturnType<typeof note.parseVerifierKey>[];

  beforeAll(async () => {
    // A machine of its own, so that each type is there whichever tests have run.
    const machine = await newMachine();
    await delegated(machine);
    await revoke({ hostId: machine.hostId });
    await installation.controlPlane.jobs.sealTenant(scene.tenantId);
    const audit = rpcClient(scene.issuer, AuditService, scene.ownerToken);
    vkeys = [note.parseVerifierKey((await audit.getCheckpoint({})).vkey)];
    const chunks: Uint8Array[] = [];
    for await (const { chunk } of audit.exportBundle({})) chunks.push(chunk);
    exported = concatBytes(...chunks);
  });

  test('is exported by RPC, verifies offline with the key alone, and names every step', () => {
    const report = bundle.verifyBundle(exported, { vkeys });
    expect(report).toMatchObject({ verified: true, from: 0 });
    const text = Buffer.from(exported).toString();
    const entries = [...text.matchAll(/"entry":"([^"]+)"/g)].map(([, entry = '']) =>
      Buffer.from(entry, 'base64').toString('latin1'),
    );
    for (const type of [
      'tenant.provisioned',
      'session.created',
      'client.created',
      'invite.created',
      'host.enrolled',
      'agent.created',
      'token.issued',
      'token.exchanged',
      'revocation.created',
    ]) {
      expect(entries.filter((entry) => entry.includes(type)).length, type).toBeGreaterThan(0);
    }
    expect(entries.filter((entry) => /eyJ[A-Za-z0-9_-]+\.eyJ/.test(entry))).toEqual([]);
  });

  test('is refused when any one bit of it is flipped', () => {
    // A prime step: over the bundle it meets every kind of line and every bit of a byte.
    for (let bit = 5; bit < exported.length * 8; bit += 7_919) {
      const flipped = Uint8Array.from(exported);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(bundle.verifyBundle(flipped, { vkeys }).verified, `bit ${bit}`).toBe(false);
    }
  });

  test('is refused when a line is dropped, doubled or moved, and when the end is missing', () => {
    const lines = Buffer.from(exported).toString().split('\n').slice(0, -1);
    const verify = (changed: string[]) =>
      bundle.verifyBundle(Buffer.from(`${changed.join('\n')}\n`), { vkeys }).verified;
    expect(verify(lines)).toBe(true);
    const middle = lines.length >> 1;
    expect(verify(lines.toSpliced(middle, 1))).toBe(false);
    expect(verify(lines.toSpliced(middle, 0, lines[middle] ?? ''))).toBe(false);
    expect(verify(lines.toSpliced(middle, 2, lines[middle + 1] ?? '', lines[middle] ?? ''))).toBe(false);
    expect(verify(lines.slice(0, -1))).toBe(false);
    expect(bundle.verifyBundle(exported.subarray(0, -1), { vkeys }).verified).toBe(false);
  });

  test('is refused under the key of another tenant', async () => {
    await installation.provision('elsewhere');
    const stranger = await installation.signIn('elsewhere');
    const { vkey } = await rpcClient(stranger.issuer, AuditService, await stranger.token()).getCheckpoint({});
    expect(bundle.verifyBundle(exported, { vkeys: [note.parseVerifierKey(vkey)] }).verified).toBe(false);
  });
});
