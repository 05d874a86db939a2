import { base64url } from '@mono-auth/core/encoding';
import { newId, type TenantId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { defaultPolicyText, encodeSnapshot, hashSnapshot, policySchemaVersion } from '@mono-auth/policy-engine';
import { PolicyService } from '@mono-auth/proto/monoauth/policy/v1/policy';
import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FeedSubscriber } from './feed-subscriber.ts';
import { PolicyHolder } from './policy-holder.ts';
import { FakeIssuer, type IssuerKey } from './testing/fake-issuer.ts';

const permitAll = '@id("all")\npermit(principal, action, resource);';
const tokens = async () => 'token';
let issuer: FakeIssuer;
let subscriber: FeedSubscriber;
let published: { statement: string; snapshot: Uint8Array };

async function publish(version: number, policyText: string, forge: Partial<Forgery> = {}): Promise<Uint8Array> {
  const { key = issuer.feedKey, typ = 'mono-policy+jwt', incarnation = 1, tenantId = issuer.tenantId } = forge;
  const snapshot = encodeSnapshot({ tenantId, version, policyText, schemaVersion: policySchemaVersion });
  const hash = hashSnapshot(snapshot);
  const statement = await new SignJWT({ tenant_id: tenantId, version, hash: base64url(hash), incarnation })
    .setProtectedHeader({ alg: 'ES256', kid: 'key_feed', typ })
    .setIssuedAt()
    .sign(key.privateKey);
  published = { statement, snapshot: forge.bytes ?? snapshot };
  return hash;
}

interface Forgery {
  key: IssuerKey;
  typ: string;
  incarnation: number;
  tenantId: TenantId;
  bytes: Uint8Array;
}

beforeEach(async () => {
  issuer = await FakeIssuer.start((router) => router.service(PolicyService, { getSnapshot: () => published }));
  subscriber = await FeedSubscriber.start({ issuer: issuer.url, tokens, name: 'orders-1', leaseMs: 1_000 });
  await subscriber.whenFresh(5_000);
});
afterEach(async () => {
  await subscriber.close();
  await issuer.stop();
});

const open = () => PolicyHolder.start({ issuer: issuer.url, tokens, subscriber });
const request = () => ({
  principal: `user:${newId(systemRuntime, 'usr')}`,
  action: 'orders:read',
  resource: { type: 'order', id: '17' },
  context: { scope: ['orders:read'] },
});

test('decides by the policy held, and says by which version', async () => {
  await publish(1, permitAll);
  const holder = await open();
  expect(holder.decide(request())).toMatchObject({ allowed: true, policyVersion: 1, reasons: ['all'] });
  await holder.close();
});

test('follows a published version that takes access away', async () => {
  await publish(1, permitAll);
  const holder = await open();
  const hash = await publish(2, '@id("none")\nforbid(principal, action, resource);');
  issuer.feed.append('policy', { v: 1, version: 2, hash: base64url(hash) });
  await vi.waitFor(() => expect(holder.version).toBe(2), { timeout: 5_000 });
  expect(holder.decide(request())).toMatchObject({ allowed: false, policyVersion: 2 });
  await holder.close();
});

test('decides nothing while the feed is stale', async () => {
  await publish(1, permitAll);
  const holder = await open();
  issuer.feed.faults.mute = true;
  await vi.waitFor(() => expect(subscriber.isFresh()).toBe(false), { timeout: 5_000 });
  expect(() => holder.decide(request())).toThrow('feed_stale');
  await holder.close();
});

describe('a snapshot that is not proven is not held', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['signed by the token key', () => publish(1, permitAll, { key: issuer.tokenKey })],
    ['a statement of another kind', () => publish(1, permitAll, { typ: 'at+jwt' })],
    ['other bytes than those signed', () => publish(1, permitAll, { bytes: new TextEncoder().encode('{}') })],
    ['of another tenant', () => publish(1, permitAll, { tenantId: newId(systemRuntime, 'ten') })],
  ])('%s', async (_, forge) => {
    await forge();
    await expect(open()).rejects.toMatchObject({ reason: 'verification_failed' });
  });
});

test('an older version is refused, except in a new life of the database', async () => {
  await publish(5, permitAll);
  const errors: string[] = [];
  const onError = ({ detail }: { detail: string }) => errors.push(detail);
  const holder = await PolicyHolder.start({ issuer: issuer.url, tokens, subscriber, onError });
  const hash = base64url(await publish(4, defaultPolicyText));
  issuer.feed.append('policy', { v: 1, version: 6, hash });
  await vi.waitFor(() => expect(errors.join()).toContain('older than the one that is held'), { timeout: 5_000 });
  expect(holder.version).toBe(5);
  await publish(4, defaultPolicyText, { incarnation: 2 });
  await vi.waitFor(() => expect(holder.version).toBe(4), { timeout: 5_000 });
  await holder.close();
});

test('a version announced in entries that a snapshot passed over is fetched all the same', async () => {
  await publish(1, permitAll);
  const holder = await open();
  issuer.feed.faults.dropSeq = 1;
  issuer.feed.append('policy', { v: 1, version: 2, hash: base64url(await publish(2, permitAll)) });
  await vi.waitFor(() => expect(holder.version).toBe(2), { timeout: 5_000 });
  await vi.waitFor(() => expect(issuer.feed.begunAt).toEqual([0, 1]), { timeout: 5_000 });
  await holder.close();
});

test('when that fetch cannot be had, nothing is decided after a while', async () => {
  await publish(1, permitAll);
  let offsetMs = 0;
  const runtime = { ...systemRuntime, monotonicMs: () => systemRuntime.monotonicMs() + offsetMs };
  const holder = await PolicyHolder.start({ issuer: issuer.url, tokens, subscriber, runtime });
  await publish(1, permitAll, { key: issuer.tokenKey });
  issuer.feed.faults.dropSeq = 1;
  issuer.feed.append('epoch', { v: 1, epoch: 1 });
  await vi.waitFor(() => expect(issuer.feed.snapshotsAfter).toHaveLength(2), { timeout: 5_000 });
  await subscriber.whenFresh(5_000);
  expect(holder.decide(request())).toMatchObject({ allowed: true });
  offsetMs = 6_000;
  expect(() => holder.decide(request())).toThrow('a newer policy cannot be had');
  await holder.close();
});
