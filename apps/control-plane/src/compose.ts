import { hkdfSync } from 'node:crypto';
import { sealTenant, unsealedTenants } from '@mono-auth/audit';
import { createEphemeral, type Ephemeral, RedisSettingError, sweepEphemeral } from '@mono-auth/cache';
import { clientParticipant, livingResources } from '@mono-auth/clients';
import { sweepRegistrations } from '@mono-auth/clients/registration';
import { utf8 } from '@mono-auth/core/encoding';
import { notFound, type Refusal } from '@mono-auth/core/errors';
import { type GrantId, newId, type TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { issuerOf, logOriginOf, platformSlug } from '@mono-auth/core/tenant-slug';
import { type Database, sweepConsumed, type TenantTx } from '@mono-auth/database';
import { consentParticipant, findConsent, sweepConsents } from '@mono-auth/delegation';
import { federationParticipant, isTrust } from '@mono-auth/federation';
import { Feed } from '@mono-auth/feed';
import { grantParticipant, sweepGrants } from '@mono-auth/grants';
import { type Identity, logouts, openIdentity, sessionParticipant } from '@mono-auth/identity';
import { checkKek, createLocalKms, type KeyLifePolicy, type Keyring, openKeyring } from '@mono-auth/keys';
import { agentParticipant, createChallenges, findAgent, findAgentIds, hostParticipant } from '@mono-auth/machines';
import { type Minter, openMinter } from '@mono-auth/minting';
import { createPolicySource, findRoleAssignment, type PolicySource, roleParticipant } from '@mono-auth/policy';
import type { RevocationDeps } from '@mono-auth/revocation';
import {
  advanceEpoch,
  createTenantDirectory,
  type Provisioned,
  type ProvisionInput,
  provisionTenant,
  signingKeys,
  systemCaller,
  type TenantDirectory,
} from '@mono-auth/tenants';
import { authenticateBearer, type TokenDeps } from '@mono-auth/tokens';
import type { Http2Exchange, Ingress } from '@mono-auth/transport';
import type { Logger } from 'pino';
import { composeTokens } from './compose-tokens.ts';
import { ConfigError } from './config.ts';
import { type GatewayTokens, gatewayTokens } from './gateway-tokens.ts';
import { grantDoors } from './grant-doors.ts';
import { provisionSteps } from './provision-steps.ts';
import { createRoutes } from './routes.ts';

export interface ControlPlaneDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  /** Key-encryption key, 32 bytes. */
  readonly kek: Uint8Array;
  readonly baseUrl: string;
  readonly log: Logger;
  /** Without it, Postgres serves alone. */
  readonly redisUrl?: string | undefined;
  /** How long the stages of a planned key rotation last. */
  readonly keyLife?: KeyLifePolicy | undefined;
  /** Whether the edge hands over certificates of clients that a trusted proxy has verified. */
  readonly clientCertificates?: boolean;
}

export interface ControlPlane {
  /** Answers a request that the edge has cleaned and whose tenant it has found. */
  fetch(request: Request, ingress: Ingress): Promise<Response>;
  /** The same for an RPC over HTTP/2; undefined when the path names none. */
  http2(exchange: Http2Exchange, ingress: Ingress): Promise<void> | undefined;
  /** Tokens by which the gateway of this process follows the feed of one tenant. */
  gatewayTokens(tenantId: TenantId): GatewayTokens;
  /** Ends every stream of the feed, and takes no new one: the first thing to do when stopping. */
  endStreams(): void;
  readonly tenants: TenantDirectory;
  /** Provisions as the installation itself, with nobody's token: the first start. */
  provision(input: ProvisionInput): Promise<Provisioned>;
  /** What the worker's jobs call. */
  readonly jobs: {
    unsealedTenants(): Promise<TenantId[]>;
    sealTenant(tenantId: TenantId): Promise<number>;
    moveKeys(): Promise<number>;
    tenantsWithLogouts(): Promise<TenantId[]>;
    deliverLogouts(tenantId: TenantId): Promise<number>;
    sweep(): Promise<void>;
  };
  close(): Promise<void>;
}

/** The parts of the control plane, each made once. What points upward in the layers is handed over here. */
export interface Parts extends ControlPlaneDeps {
  readonly ephemeral: Ephemeral;
  readonly challenges: ReturnType<typeof createChallenges>;
  readonly tenants: TenantDirectory;
  readonly keys: Keyring;
  readonly feed: Feed;
  readonly policies: PolicySource;
  readonly minter: Minter;
  readonly identity: Identity;
  readonly revocation: RevocationDeps;
  readonly tokens: TokenDeps;
  readonly ingressOf: (request: Request) => Ingress;
  readonly originOf: (tenantId: TenantId) => Promise<string>;
  readonly onRefusal: (refusal: Refusal) => void;
}

/** @throws Error when the key-encryption key is not the one that this database was set up with. */
export async function createControlPlane(deps: ControlPlaneDeps): Promise<ControlPlane> {
  const kms = createLocalKms(deps.kek);
  await checkKek({ database: deps.database, kms });
  const ingresses = new WeakMap<Request, Ingress>();
  const ephemeral = await openEphemeral(deps);
  const parts = composeParts({ ...deps, ephemeral }, kms, (request) => {
    const ingress = ingresses.get(request);
    if (!ingress) throw new TypeError('the request did not come through the edge');
    return ingress;
  });
  const steps = provisionSteps(parts);
  const provisioning = { database: deps.database, directory: parts.tenants, baseUrl: deps.baseUrl, steps };
  const routes = createRoutes(parts, provisioning, authenticateBearer(parts.tokens));
  const sealing = { ...parts, originOf: parts.originOf };
  return {
    async fetch(request, ingress) {
      ingresses.set(request, ingress);
      return routes.fetch(request, ingress);
    },
    http2: routes.http2,
    gatewayTokens: (tenantId) => gatewayTokens(parts, tenantId),
    endStreams: () => parts.feed.endStreams(),
    tenants: parts.tenants,
    provision: (input) => provisionAsInstallation(parts, provisioning, input),
    jobs: {
      unsealedTenants: () => unsealedTenants(deps.database),
      sealTenant: (tenantId) => sealTenant(sealing, tenantId),
      moveKeys: () => signingKeys.moveKeysOn(parts),
      tenantsWithLogouts: () => logouts.tenantsWithLogouts(deps),
      deliverLogouts: (tenantId) => logouts.deliverLogouts(parts, tenantId),
      sweep: async () => {
        await sweepEphemeral(deps);
        await sweepConsumed(deps);
        await sweepGrants(deps);
        await sweepConsents(deps);
        await logouts.sweepSessionClients(deps);
        await sweepRegistrations({ ...deps, tenants: parts.tenants });
      },
    },
    close: () => parts.ephemeral.close(),
  };
}

/** @throws ConfigError when MONO_REDIS_URL is at fault. A Redis that only does not answer now is used once it does. */
async function openEphemeral(deps: ControlPlaneDeps): Promise<Ephemeral> {
  try {
    return await createEphemeral({
      ...deps,
      onStateChange: (state) => deps.log.info({ state }, 'ephemeral store'),
    });
  } catch (error) {
    throw error instanceof RedisSettingError ? new ConfigError(error.message) : error;
  }
}

function composeParts(
  deps: ControlPlaneDeps & { readonly ephemeral: Ephemeral },
  kms: ReturnType<typeof createLocalKms>,
  ingressOf: Parts['ingressOf'],
): Parts {
  const { database, runtime, baseUrl, ephemeral } = deps;
  const nonceSecret = new Uint8Array(hkdfSync('sha256', deps.kek, new Uint8Array(), utf8('mono-auth/nonces'), 32));
  const challenges = createChallenges({ ephemeral, runtime, secret: nonceSecret });
  const tenants = createTenantDirectory({ database, runtime, baseUrl });
  const platformIssuer = issuerOf(baseUrl, platformSlug);
  const rootTenant = async () => (await requireTenant(tenants.bySlug(platformSlug))).id;
  const keys = openKeyring({ database, runtime, kms, platformIssuer, rootTenant, keyLife: deps.keyLife });
  const feed = new Feed({ database, ephemeral, keys, runtime });
  const policies = createPolicySource({
    database,
    onBackgroundError: (err) => deps.log.error({ err }, 'policy'),
  });
  const minter = openMinter({ database, runtime, keys, feed, baseUrl });
  const onRefusal = (refusal: Refusal) => {
    if (refusal.reason === 'internal') deps.log.error({ err: refusal.cause }, 'internal error');
    else deps.log.debug({ reason: refusal.reason, err: refusal.cause }, refusal.detail);
  };
  const userCodeKey = (tenantId: TenantId) =>
    new Uint8Array(hkdfSync('sha256', deps.kek, utf8(tenantId), utf8('mono-auth/grants user code'), 32));
  const identity = openIdentity({
    grants: grantDoors({ database, runtime, feed, userCodeKey }),
    ...{ database, runtime, tenants, minter, feed, keys, ephemeral, baseUrl },
    secret: (tenantId) => new Uint8Array(hkdfSync('sha256', deps.kek, utf8(tenantId), utf8('mono-auth/identity'), 32)),
    isActiveAgent: async (tx, id) => (await findAgent(tx, id))?.status === 'active',
    isKnownAudience: async (tx, audience) => (await livingResources.findResource(tx, audience)) !== undefined,
    originOf: ingressOf,
    log: (message) => deps.log.warn(message),
  });
  const revocation: RevocationDeps = {
    ...{ database, runtime, feed, advanceEpoch },
    participants: revocationParticipants({ database, runtime }),
  };
  const tokens = composeTokens(
    {
      ...{ database, runtime, baseUrl, keys, feed, minter, policies, tenants, identity, ephemeral, revocation },
      onRefusal,
    },
    { nonceSecret, userCodeKey, originOf: ingressOf, clientCertificates: deps.clientCertificates ?? false },
  );
  const originOf = async (tenantId: TenantId) => {
    const { slug } = await requireTenant(tenants.byId(tenantId));
    return logOriginOf(baseUrl, slug);
  };
  return {
    ...deps,
    ...{
      ephemeral,
      challenges,
      tenants,
      keys,
      feed,
      policies,
      minter,
      identity,
      revocation,
      tokens,
      ingressOf,
      originOf,
      onRefusal,
    },
  };
}

/** What each capability has to do with a revocation. */
function revocationParticipants({
  database,
  runtime,
}: Pick<ControlPlaneDeps, 'database' | 'runtime'>): RevocationDeps['participants'] {
  return [
    hostParticipant(),
    agentParticipant(),
    clientParticipant(runtime),
    sessionParticipant({ database, runtime }),
    grantParticipant({ runtime, isOther: isOtherGrant }),
    consentParticipant({ runtime }),
    roleParticipant({ runtime, agentsOf: findAgentIds }),
    federationParticipant(),
  ];
}

/** Consents, roles that somebody has, trust across domains, and grants go by the same kind of id: one target of revocations. */
async function isOtherGrant(tx: TenantTx, id: GrantId): Promise<boolean> {
  return ((await findConsent(tx, id)) ?? (await findRoleAssignment(tx, id))) !== undefined || isTrust(tx, id);
}

async function requireTenant<T>(found: Promise<T | undefined>): Promise<T> {
  const tenant = await found;
  if (!tenant) throw notFound('tenant');
  return tenant;
}

/** The caller is the platform where there is one, else the tenant that is being made: the platform itself. */
async function provisionAsInstallation(
  parts: Parts,
  provisioning: Parameters<typeof provisionTenant>[0],
  input: ProvisionInput,
): Promise<Provisioned> {
  const requestId = newId(parts.runtime, 'req');
  const platform = await parts.tenants.bySlug(platformSlug);
  const caller = platform?.status === 'active' ? systemCaller(platform, requestId) : undefined;
  return provisionTenant(provisioning, { runtime: parts.runtime, caller, requestId }, input);
}
