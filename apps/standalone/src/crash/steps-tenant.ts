import type { JsonObject } from '@bufbuild/protobuf';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { issuerOf, platformSlug } from '@mono-auth/core/tenant-slug';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { decodeJwt } from 'jose';
import { makeKey } from '../acceptance/plain-client.ts';
import { Person, rpcClient } from '../tour/person.ts';
import { hold } from '../tour/scene.ts';
import { readFeed } from './evidence.ts';
import {
  ask,
  type CrashScene,
  eventsOf,
  idOf,
  list,
  listAll,
  operatorEmail,
  operatorPassword,
  rpc,
  Unanswered,
} from './scene.ts';
import { type Step, step } from './shot.ts';

/** Signing in reads a page first, then hashes a password. */
const signInWindowMs = 120;
/** Provisioning makes keys and hashes a password, in several transactions. */
const provisionWindowMs = 500;

/** The one item of a list that is there exactly once. */
export function only<T>(items: readonly T[], what: string): T {
  hold(items.length === 1, `${what} is there once (${items.length} times)`);
  return items[0] as T;
}

/** The one event of this type about an object. */
export async function onlyEvent(scene: CrashScene, type: string, objectId: string): Promise<JsonObject> {
  const events = await eventsOf(scene, type);
  return only(
    events.filter((event) => event.objectId === objectId),
    `${type} of ${objectId}`,
  );
}

const provision = step<string>(
  'monoauth.tenants.v1.TenantService/ProvisionTenant',
  async ({ baseUrl, operatorToken }, label) => {
    const slug = `t-${label}`;
    const platform = issuerOf(baseUrl, platformSlug);
    const made = { slug, displayName: slug, ownerEmail: operatorEmail, ownerPassword: operatorPassword };
    const request = { ...made, idempotencyKey: slug };
    const send = async () =>
      idOf((await rpc(platform, 'tenants.v1.TenantService/ProvisionTenant', operatorToken, request)).tenant);
    return {
      send,
      repeat: send,
      async hold(id, first) {
        hold(first === undefined || first === id, 'the tenant that was answered is the tenant');
        const owner = await Person.signIn(baseUrl, slug, operatorEmail, operatorPassword);
        const [tokens, method] = [await owner.token(), 'audit.v1.AuditService/ListEvents'];
        for (const [issuer, token] of [
          [owner.issuer, tokens],
          [platform, operatorToken],
        ] as const) {
          const events = await listAll(issuer, token, method, 'events', { type: 'tenant.provisioned' });
          only(
            events.filter(({ event }) => (event as JsonObject).objectId === id),
            `tenant.provisioned of ${slug} in ${issuer}`,
          );
        }
      },
    };
  },
  { windowMs: provisionWindowMs, shots: 2 },
);

/** A person has no key that makes two attempts one: each is a session of its own, and an answered one stays. */
const signIn = step<Person>(
  'signing in',
  async (scene) => {
    const send = () =>
      Person.signIn(scene.baseUrl, scene.slug, operatorEmail, operatorPassword).catch((cause: unknown) => {
        throw new Unanswered('signing in', { cause });
      });
    return {
      send,
      repeat: async (first) => first ?? send(),
      async hold(person) {
        const { sid } = decodeJwt<{ sid: string }>(await person.token());
        await onlyEvent(scene, 'session.created', sid);
      },
    };
  },
  { windowMs: signInWindowMs },
);

const sessionToken = step<string>('POST /auth/token', async (scene) => {
  const send = () =>
    scene.owner.token().catch((cause: unknown) => {
      throw new Unanswered('the session’s token', { cause });
    });
  return {
    send,
    repeat: async (first) => first ?? send(),
    async hold(token) {
      await onlyEvent(scene, 'token.issued', decodeJwt(token).jti ?? '');
      scene.live.add(token);
    },
  };
});

const createClient = step<string>('monoauth.clients.v1.ClientService/CreateClient', async (scene, name) => {
  const { publicJwk } = await makeKey();
  const jwks = { keys: [publicJwk as JsonObject] };
  const request = { kind: 'CLIENT_KIND_MACHINE', name, jwks, idempotencyKey: name };
  const send = async () => idOf((await ask(scene, 'clients.v1.ClientService/CreateClient', request)).client);
  return {
    send,
    repeat: send,
    async hold(id, first) {
      hold(first === undefined || first === id, 'the client that was answered is the client');
      const clients = await list(scene, 'clients.v1.ClientService/ListClients', 'clients');
      only(
        clients.filter((client) => client.name === name),
        name,
      );
      await onlyEvent(scene, 'client.created', id);
    },
  };
});

const check = step<string>('monoauth.policy.v1.PolicyService/Check', async (scene, label) => {
  const question = { principal: `service:${scene.service.id}`, action: 'orders:read', resourceType: 'order' };
  const send = async () => {
    const asked = { ...question, resourceId: label };
    return (await ask(scene, 'policy.v1.PolicyService/Check', asked)).decisionId as string;
  };
  return {
    send,
    repeat: async (first) => first ?? send(),
    async hold(decisionId) {
      const events = await eventsOf(scene, 'policy.decided');
      only(
        events.filter((event) => event.decisionId === decisionId),
        decisionId,
      );
    },
  };
});

/** The version that it is based on makes two attempts one: the second of them is stale. */
const publishDraft = step<number>(
  'monoauth.policy.v1.PolicyService/PublishDraft',
  async (scene, label) => {
    const versions = async () => list(scene, 'policy.v1.PolicyService/ListVersions', 'versions');
    const basedOn = Math.max(...(await versions()).map(({ version }) => Number(version)));
    const request = { policyText: `// ${label}\npermit(principal, action, resource);`, basedOn: String(basedOn) };
    const send = async () => {
      const { version } = await ask(scene, 'policy.v1.PolicyService/PublishDraft', request);
      return Number((version as JsonObject).version);
    };
    return {
      send,
      repeat: () =>
        send().catch((error: Error) => {
          if (error.message.includes('stale_version')) return basedOn + 1;
          throw error;
        }),
      async hold(version, first) {
        hold(first === undefined || first === version, 'the version that was answered is the version');
        const newer = (await versions()).filter((each) => Number(each.version) > basedOn);
        const published = only(newer, `a version after ${basedOn}`);
        hold(Number(published.version) === basedOn + 1, `it is version ${basedOn + 1}`);
        await onlyEvent(scene, 'policy.published', idOf(published));
        const entries = await readFeed(scene);
        only(
          entries.filter(({ kind, payload }) => kind === 'policy' && payload.version === version),
          `the feed entry of version ${version}`,
        );
      },
    };
  },
  { shots: 1 },
);

/** Of the invites' keys: one rotation may follow the other at once, and what the old ones signed stays good. */
const rotateKey = step<string>('monoauth.tenants.v1.TenantService/RotateSigningKey', async (scene, label) => {
  const request = {
    purpose: 'KEY_PURPOSE_INVITE',
    mode: 'ROTATION_MODE_PLANNED',
    reason: label,
    idempotencyKey: label,
  };
  const send = async () => {
    const { rotation } = await ask(scene, 'tenants.v1.TenantService/RotateSigningKey', request);
    return only((rotation as { keys: { newKid: string }[] }).keys, 'the key of the rotation').newKid;
  };
  return {
    send,
    repeat: send,
    async hold(kid, first) {
      hold(first === undefined || first === kid, 'the key that was answered is the key');
      const keys = await list(scene, 'tenants.v1.TenantService/ListSigningKeys', 'keys');
      only(
        keys.filter((key) => key.kid === kid),
        kid,
      );
      only(
        keys.filter(({ purpose, state }) => purpose === 'KEY_PURPOSE_INVITE' && state === 'KEY_STATE_ACTIVE'),
        'the key that signs invites',
      );
      await onlyEvent(scene, 'key.rotated', kid);
      await onlyEvent(scene, 'key.promoted', kid);
    },
  };
});

const register = step<string>('monoauth.feed.v1.FeedService/Register', async (scene, name) => {
  const send = async () => {
    const { subscriberId } = await ask(scene, 'feed.v1.FeedService/Register', { name });
    return subscriberId as string;
  };
  return {
    send,
    repeat: send,
    async hold(id, first) {
      hold(first === undefined || first === id, 'the subscriber that was answered is the subscriber');
      const subscribers = await list(scene, 'feed.v1.FeedService/ListSubscribers', 'subscribers');
      only(
        subscribers.filter((subscriber) => subscriber.name === name),
        name,
      );
      await onlyEvent(scene, 'feed.subscriber_registered', id);
    },
  };
});

const acknowledge = step<string>('monoauth.feed.v1.FeedService/Acknowledge', async (scene, name) => {
  const { subscriberId } = (await ask(scene, 'feed.v1.FeedService/Register', { name })) as { subscriberId: string };
  // Something to acknowledge; a token that nobody has will do.
  const target = { tokenId: newId(systemRuntime, 'tok') };
  await ask(scene, 'revocation.v1.RevocationService/Revoke', { target, reason: 'something to acknowledge' });
  const applied = await followOnce(scene, subscriberId);
  const send = async () => {
    await ask(scene, 'feed.v1.FeedService/Acknowledge', { subscriberId, applied });
    return subscriberId;
  };
  return {
    send,
    repeat: async (first) => first ?? send(),
    async hold() {
      const subscribers = await list(scene, 'feed.v1.FeedService/ListSubscribers', 'subscribers');
      const mine = only(
        subscribers.filter(({ id }) => id === subscriberId),
        name,
      );
      hold(Number(mine.appliedSeq) === Number(applied.seq), `${name} has applied ${applied.seq}`);
    },
  };
});

/** Where the feed stands, once it has been sent to this subscriber. */
async function followOnce(scene: CrashScene, subscriberId: string) {
  const leave = new AbortController();
  const watching = rpcClient(scene.issuer, FeedService, scene.ownerToken).watch({ subscriberId }, leave);
  try {
    for await (const { head } of watching) {
      if (!head || head.seq === 0n) continue;
      const hash = Buffer.from(head.hash).toString('base64');
      return { incarnation: String(head.incarnation), seq: String(head.seq), hash };
    }
    throw new Error('the feed ended');
  } finally {
    leave.abort();
  }
}

export const tenantSteps: readonly Step[] = [
  provision,
  signIn,
  sessionToken,
  createClient,
  check,
  publishDraft,
  rotateKey,
  register,
  acknowledge,
];
