import { newId } from '@mono-auth/core/ids';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { FeedStore, StoredFeed } from './feed-store.ts';
import { FeedSubscriber, type FeedSubscriberOptions } from './feed-subscriber.ts';
import { guard } from './middleware.ts';
import { FakeIssuer, makeKey } from './testing/fake-issuer.ts';
import { createVerifier, type Verifier } from './verifier.ts';

const audience = 'https://orders.test';
let issuer: FakeIssuer;
let open: FeedSubscriber[] = [];

beforeEach(async () => {
  issuer = await FakeIssuer.start();
});
afterEach(async () => {
  await Promise.all(open.map((subscriber) => subscriber.close()));
  open = [];
  await issuer.stop();
});

async function follow(options: Partial<FeedSubscriberOptions> = {}): Promise<FeedSubscriber> {
  const tokens = async () => 'token';
  const subscriber = await FeedSubscriber.start({ issuer: issuer.url, tokens, name: 'orders-1', ...options });
  open.push(subscriber);
  return subscriber;
}

async function followFresh(options: Partial<FeedSubscriberOptions> = {}): Promise<FeedSubscriber> {
  const subscriber = await follow(options);
  await subscriber.whenFresh(5_000);
  return subscriber;
}

function verifierOf(revocations: FeedSubscriber, runtime: Runtime = systemRuntime): Verifier {
  return createVerifier({ issuer: issuer.url, audience, revocations, runtime });
}

const revokeToken = (jti: string) =>
  issuer.feed.append('revocation', {
    v: 1,
    id: newId(systemRuntime, 'rev'),
    target: { kind: 'token', jti },
    reason: 'test',
  });
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 5_000, interval: 10 });

async function statusOf(verifier: Verifier, token: string): Promise<number> {
  const request = new Request('https://orders.test/', { headers: { authorization: `Bearer ${token}` } });
  const guarded = await guard(request, { verifier });
  return guarded instanceof Response ? guarded.status : 200;
}

describe('a revocation', () => {
  test('is refused and acknowledged at once, and everything that descends from it too', async () => {
    const subscriber = await followFresh();
    const verifier = verifierOf(subscriber);
    const jti = newId(systemRuntime, 'tok');
    const token = await issuer.mint({ jti });
    const child = await issuer.mint({ pjti: [jti] });
    expect([await statusOf(verifier, token), await statusOf(verifier, child)]).toEqual([200, 200]);

    const beganMs = systemRuntime.monotonicMs();
    const seq = revokeToken(jti);
    await eventually(() => expect(issuer.feed.acknowledged.at(-1)).toBe(seq));
    expect(systemRuntime.monotonicMs() - beganMs).toBeLessThan(900);
    expect([await statusOf(verifier, token), await statusOf(verifier, child)]).toEqual([401, 401]);
    expect(await statusOf(verifier, await issuer.mint())).toBe(200);
  });

  test('of a host ends tokens of its agents whose minter had not seen it, and no later ones', async () => {
    const subscriber = await followFresh();
    const verifier = verifierOf(subscriber);
    const host = newId(systemRuntime, 'hst');
    const act = { sub: `agent:${newId(systemRuntime, 'agt')}`, act: { sub: `host:${host}` } };
    const target = { kind: 'host', id: host } as const;
    const seq = issuer.feed.append('revocation', { v: 1, id: newId(systemRuntime, 'rev'), target, reason: 'stolen' });
    await eventually(() => expect(subscriber.state.seq).toBe(seq));
    expect(await statusOf(verifier, await issuer.mint({ act, fs: seq - 1 }))).toBe(401);
    expect(await statusOf(verifier, await issuer.mint({ act, fs: seq }))).toBe(200);
  });

  test('of a token key ends what it signed, remembered or not', async () => {
    const subscriber = await followFresh();
    const verifier = verifierOf(subscriber);
    const token = await issuer.mint();
    expect(await statusOf(verifier, token)).toBe(200);
    const seq = issuer.feed.append('key', { v: 1, kid: 'key_token', state: 'revoked' });
    await eventually(() => expect(subscriber.state.seq).toBe(seq));
    expect(await statusOf(verifier, token)).toBe(401);
  });

  test('a token of another tenant is refused, whoever signed it', async () => {
    const verifier = verifierOf(await followFresh());
    expect(await statusOf(verifier, await issuer.mint({ tenant_id: newId(systemRuntime, 'ten') }))).toBe(401);
  });
});

describe('the lease', () => {
  test('ends when nobody answers: 503, and comes back by itself', async () => {
    const subscriber = await followFresh({ leaseMs: 1_000 });
    const verifier = verifierOf(subscriber);
    const token = await issuer.mint();
    expect(await statusOf(verifier, token)).toBe(200);
    issuer.feed.faults.mute = true;
    await eventually(() => expect(subscriber.isFresh()).toBe(false));
    expect(await statusOf(verifier, token)).toBe(503);
    issuer.feed.faults.mute = false;
    await subscriber.whenFresh(5_000);
    expect(await statusOf(verifier, token)).toBe(200);
  });

  test('longer than the longest call that a server grants is held as well', async () => {
    const subscriber = await followFresh({ leaseMs: 60_000 });
    expect(subscriber.isFresh()).toBe(true);
  });

  test('periodic heads alone do not hold it', async () => {
    issuer.feed.faults.mute = true;
    const subscriber = await follow({ leaseMs: 1_000 });
    await eventually(() => expect(subscriber.cursor?.seq).toBe(0));
    expect(subscriber.isFresh()).toBe(false);
    await expect(subscriber.whenFresh(300)).rejects.toMatchObject({ reason: 'feed_stale' });
  });

  test('is over when the wall clock runs backwards, until a new answer comes', async () => {
    let offsetMs = 0;
    const runtime = { ...systemRuntime, nowMs: () => systemRuntime.nowMs() + offsetMs };
    const subscriber = await followFresh({ runtime });
    const token = await issuer.mint();
    const verifier = verifierOf(subscriber, runtime);
    expect(await statusOf(verifier, token)).toBe(200);
    offsetMs = -5_000;
    expect(await statusOf(verifier, token)).toBe(503);
    await subscriber.whenFresh(5_000);
    expect(await statusOf(verifier, token)).toBe(200);
  });

  test('is asked for again after deciding', async () => {
    const fresh = [true, false];
    const { state, tenantId } = await followFresh();
    const revocations = { state, tenantId, isFresh: () => fresh.shift() ?? false };
    const verifier = createVerifier({ issuer: issuer.url, audience, revocations });
    await expect(verifier.verify(await issuer.mint())).rejects.toMatchObject({ reason: 'feed_stale' });
  });
});

describe('what is not proven is not believed', () => {
  test('a forged head applies nothing and renews nothing', async () => {
    const errors: string[] = [];
    const subscriber = await followFresh({ leaseMs: 1_000, onError: ({ reason }) => errors.push(reason) });
    issuer.feed.faults.forged = (await makeKey('key_feed')).signer;
    revokeToken('tok_x');
    await eventually(() => expect(subscriber.isFresh()).toBe(false));
    expect(subscriber.state.seq).toBe(0);
    expect(errors).toContain('verification_failed');
    issuer.feed.faults.forged = undefined;
    await subscriber.whenFresh(5_000);
    expect(subscriber.state.seq).toBe(1);
  });

  test('a gap throws everything away and begins anew', async () => {
    const errors: string[] = [];
    const subscriber = await followFresh({ onError: ({ detail }) => errors.push(detail) });
    revokeToken('tok_1');
    await eventually(() => expect(subscriber.state.seq).toBe(1));
    issuer.feed.faults.dropSeq = 2;
    revokeToken('tok_2');
    await eventually(() => expect(errors).toContain('feed: gap'));
    await eventually(() => expect(subscriber.state.seq).toBe(2));
    expect(issuer.feed.snapshotsAfter).toEqual([undefined, 1]);
    await eventually(() => expect(issuer.feed.begunAt).toEqual([0, 2]));
    const claims = { jti: 'tok_2', sub: 'user:x', ep: 0, fs: 9 };
    expect(subscriber.state.isRevoked(claims).revoked).toBe(true);
  });

  test('a new incarnation begins anew, an earlier one is refused', async () => {
    const errors: string[] = [];
    const subscriber = await followFresh({ leaseMs: 1_000, onError: ({ reason }) => errors.push(reason) });
    revokeToken('tok_1');
    await eventually(() => expect(subscriber.state.seq).toBe(1));
    issuer.feed.begin(3);
    await eventually(() => expect(subscriber.cursor?.incarnation).toBe(3));
    await subscriber.whenFresh(5_000);
    expect(errors).toContain('reset_required');
    issuer.feed.begin(2);
    await eventually(() => expect(errors).toContain('verification_failed'));
    await eventually(() => expect(subscriber.isFresh()).toBe(false));
  });

  test('another root than the pinned one, or a certificate by none, ends the start', async () => {
    const stranger = await makeKey('key_root');
    const pinned = { rootJwk: stranger.publicJwk };
    await expect(follow(pinned)).rejects.toMatchObject({ reason: 'verification_failed' });
    issuer.offeredRoot = stranger.publicJwk;
    await expect(follow(pinned)).rejects.toMatchObject({ reason: 'verification_failed' });
    await expect(follow()).rejects.toMatchObject({ reason: 'verification_failed' });
  });

  test('a certificate for another power is none for the feed', async () => {
    const certificate = await issuer.certificate(issuer.feedKey, issuer.rootKey, 'token');
    issuer.certificate = async () => certificate;
    await expect(follow()).rejects.toMatchObject({ reason: 'verification_failed' });
  });
});

describe('a connection that ends', () => {
  test('is taken up again at the cursor', async () => {
    const subscriber = await followFresh();
    revokeToken('tok_1');
    await eventually(() => expect(subscriber.state.seq).toBe(1));
    issuer.feed.disconnect();
    await eventually(() => expect(issuer.feed.begunAt).toEqual([0, 1]));
    expect(issuer.feed.snapshotsAfter).toEqual([undefined]);
    revokeToken('tok_2');
    await eventually(() => expect(subscriber.state.seq).toBe(2));
    expect(subscriber.isFresh()).toBe(true);
  });

  test('because the token was refused brings another token', async () => {
    const asked: boolean[] = [];
    const tokens: FeedSubscriberOptions['tokens'] = async (request) => {
      asked.push(request?.renew ?? false);
      return asked.includes(true) ? 'second' : 'first';
    };
    const subscriber = await followFresh({ tokens, leaseMs: 1_000 });
    issuer.refusedTokens.add('first');
    await eventually(() => expect(asked).toContain(true));
    issuer.feed.disconnect();
    await subscriber.whenFresh(5_000);
    revokeToken('tok_1');
    await eventually(() => expect(subscriber.state.seq).toBe(1));
  });

  test('a server that is away at the start is waited for; one that refuses is not', async () => {
    issuer.down = true;
    const subscriber = await follow();
    expect(subscriber.isFresh()).toBe(false);
    issuer.down = false;
    await subscriber.whenFresh(5_000);
    issuer.refusedTokens.add('token');
    await expect(follow()).rejects.toMatchObject({ reason: 'not_authenticated' });
  });
});

describe('a store', () => {
  function memory(): FeedStore & { stored?: StoredFeed } {
    const store: FeedStore & { stored?: StoredFeed } = {
      load: async () => store.stored && JSON.parse(JSON.stringify(store.stored)),
      save: async (stored) => {
        store.stored = stored;
      },
    };
    return store;
  }

  test('carries state, position and the first pin over a restart', async () => {
    const store = memory();
    const first = await followFresh({ store });
    revokeToken('tok_1');
    await eventually(() => expect(first.state.seq).toBe(1));
    await first.close();
    const second = await followFresh({ store });
    await eventually(() => expect(issuer.feed.begunAt).toEqual([0, 1]));
    expect(issuer.feed.snapshotsAfter).toEqual([undefined]);
    expect(second.state.isRevoked({ jti: 'tok_1', sub: 'user:x', ep: 0, fs: 9 }).revoked).toBe(true);
    await second.close();

    const stranger = await makeKey('key_root');
    const forged = await issuer.certificate(issuer.feedKey, stranger);
    issuer.offeredRoot = stranger.publicJwk;
    issuer.certificate = async () => forged;
    await expect(follow({ store })).rejects.toMatchObject({ reason: 'verification_failed' });
  });

  test('whose state does not fit its position is not used', async () => {
    const store = memory();
    const first = await followFresh({ store });
    revokeToken('tok_1');
    await eventually(() => expect(store.stored?.seq).toBe(1));
    await first.close();
    store.stored = { ...(store.stored as StoredFeed), seq: 7 };
    await followFresh({ store });
    expect(issuer.feed.snapshotsAfter).toEqual([undefined, undefined]);
    await eventually(() => expect(issuer.feed.begunAt).toEqual([0, 1]));
  });
});

test('listeners hear every entry in order, and one that fails holds nothing up', async () => {
  const subscriber = await followFresh();
  const heard: number[] = [];
  subscriber.onEntry(() => {
    throw new Error('listener');
  });
  const stop = subscriber.onEntry(({ seq }) => heard.push(seq));
  for (let i = 0; i < 20; i++) revokeToken(`tok_${i}`);
  await eventually(() => expect(heard).toEqual(Array.from({ length: 20 }, (_, i) => i + 1)));
  stop();
  const seq = revokeToken('tok_last');
  await eventually(() => expect(issuer.feed.acknowledged.at(-1)).toBe(seq));
  expect(heard).toHaveLength(20);
});
