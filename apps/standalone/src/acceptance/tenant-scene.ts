import type { JsonObject } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { newId, type TenantId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { AuditService } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { AuthMethod, ClientKind, ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { DelegationService } from '@mono-auth/proto/monoauth/delegation/v1/delegation';
import {
  AssertionProfile,
  AssertionPurpose,
  FederationService,
} from '@mono-auth/proto/monoauth/federation/v1/federation';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { PolicyService } from '@mono-auth/proto/monoauth/policy/v1/policy';
import { RevocationService } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import { KeyPurpose, RotationMode, TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import { decodeJwt } from 'jose';
import { type Person, rpcClient } from '../tour/person.ts';
import { enrolPlainly, type PlainHost } from './enrol-plainly.ts';
import type { Installation } from './installation.ts';
import { makeKey, PlainClient } from './plain-client.ts';

/** A tenant in which something of every kind exists. */
export interface TenantScene {
  readonly tenantId: TenantId;
  readonly slug: string;
  readonly issuer: string;
  readonly owner: Person;
  /** Of the owner, with every permission of the tenant. */
  readonly ownerToken: string;
  readonly service: PlainClient;
  /** What the service is. */
  readonly resource: string;
  readonly host: PlainHost;
  readonly handles: Handles;
}

/** What names one thing of a tenant to those who hold it. */
export interface Handles {
  readonly host: string;
  readonly agent: string;
  readonly client: string;
  /** Of the app, with its secret. */
  readonly app: string;
  readonly secret: string;
  readonly resource: string;
  readonly registrationToken: string;
  /** By which the agent acts for the owner. */
  readonly consent: string;
  readonly trustedIssuer: string;
  readonly linkedSubject: string;
  readonly resourceServer: string;
  /** A product by its name, and a role in it that the owner has. */
  readonly product: string;
  readonly assignment: string;
  readonly invite: string;
  readonly subscriber: string;
  readonly revocation: string;
  readonly session: string;
  readonly token: string;
  readonly user: string;
  readonly event: string;
  /** One of its signing keys. */
  readonly key: string;
  /** Of an invite that nobody has redeemed. */
  readonly inviteToken: string;
  readonly joinState: string;
  readonly accessToken: string;
}

/** Alike in every tenant: none of them may tell one tenant's objects from another's. */
export const sharedNames = {
  host: 'fra-07',
  client: 'orders',
  app: 'shop',
  partner: 'a partner',
  agent: 'reconciler',
  subscriber: 'edge',
  issuer: 'https://idp.neighbour.example',
} as const;
export const sharedKey = 'the-same-idempotency-key';

export const orderScopes = ['orders:read', 'orders:write'];
const serviceScopes = ['feed:follow', 'policy:read', 'policy:check', 'tokens:introspect', ...orderScopes];

/** Provisions a tenant and makes one thing of each kind in it. */
export async function openTenantScene(installation: Installation, slug: string): Promise<TenantScene> {
  const tenant = await installation.provision(slug);
  const { issuer, id: tenantId } = tenant;
  const owner = await installation.signIn(slug);
  const ownerToken = await owner.token();
  const resource = `https://orders.${slug}.example`;
  const service = await registerService(issuer, ownerToken, resource);
  const governed = await registerApp(issuer, ownerToken);
  const machines = rpcClient(issuer, MachineService, ownerToken);
  const enrolment = { hostName: sharedNames.host, scopes: orderScopes, audiences: [resource] };
  const host = await enrolPlainly(issuer, (await machines.createInvite(enrolment)).token);
  const open = await machines.createInvite({ hostName: 'fra-08', idempotencyKey: sharedKey });
  const named = { hostId: host.hostId, name: sharedNames.agent, scopes: orderScopes, idempotencyKey: sharedKey };
  const { agent } = await machines.createAgent(named);
  const { consent } = await rpcClient(issuer, DelegationService, ownerToken).allowAgent({
    ...{ agentId: agent?.id ?? '', scopes: orderScopes, idempotencyKey: sharedKey },
    expiresAt: timestampFromMs(systemRuntime.nowMs() + 3_600_000),
  });
  const { subscriberId } = await rpcClient(issuer, FeedService, ownerToken).register({ name: sharedNames.subscriber });
  const { revocation } = await rpcClient(issuer, RevocationService, ownerToken).revoke({
    target: { target: { case: 'tokenId', value: newId(systemRuntime, 'tok') } },
    reason: 'seen in a log',
    idempotencyKey: sharedKey,
  });
  const { rotation } = await rpcClient(issuer, TenantService, ownerToken).rotateSigningKey({
    ...{ purpose: KeyPurpose.INVITE, mode: RotationMode.PLANNED, reason: 'a good habit', idempotencyKey: sharedKey },
  });
  await installation.controlPlane.jobs.sealTenant(tenantId);
  const { events } = await rpcClient(issuer, AuditService, ownerToken).listEvents({ type: 'host.enrolled' });
  const { sub = '', sid, jti = '' } = decodeJwt<{ sid: string }>(ownerToken);
  const user = sub.slice('user:'.length);
  const federated = await federate(issuer, ownerToken, { clientId: governed.app, userId: user });
  const product = `product-of-${slug}`;
  const assignment = await registerProduct(issuer, ownerToken, { product, principal: sub });
  const handles: Handles = {
    host: host.hostId,
    agent: agent?.id ?? '',
    client: service.id,
    ...governed,
    ...federated,
    resource,
    consent: consent?.id ?? '',
    ...{ product, assignment },
    invite: open.invite?.id ?? '',
    subscriber: subscriberId,
    revocation: revocation?.id ?? '',
    session: sid,
    token: jti,
    user,
    event: events[0]?.event?.id ?? '',
    key: rotation?.keys[0]?.newKid ?? '',
    inviteToken: open.token,
    joinState: host.joinState,
    accessToken: ownerToken,
  };
  return { tenantId, slug, issuer, owner, ownerToken, service, resource, host, handles };
}

async function registerService(issuer: string, ownerToken: string, resource: string): Promise<PlainClient> {
  const key = await makeKey();
  const { client } = await rpcClient(issuer, ClientService, ownerToken).createClient({
    kind: ClientKind.SERVICE,
    name: sharedNames.client,
    scopes: serviceScopes,
    resource,
    jwks: { keys: [key.publicJwk as JsonObject] },
    approve: true,
    idempotencyKey: sharedKey,
  });
  return new PlainClient(issuer, client?.id ?? '', key);
}

/** An app with a secret, and an initial access token for another one. */
async function registerApp(
  issuer: string,
  ownerToken: string,
): Promise<Pick<Handles, 'app' | 'secret' | 'registrationToken'>> {
  const clients = rpcClient(issuer, ClientService, ownerToken);
  const { client } = await clients.createClient({
    kind: ClientKind.APP,
    name: sharedNames.app,
    manifest: { authMethod: AuthMethod.CLIENT_SECRET_BASIC, redirectUris: ['https://shop.example/callback'] },
    approve: true,
  });
  const { registrationToken } = await clients.createRegistrationToken({
    label: sharedNames.partner,
    idempotencyKey: sharedKey,
  });
  return {
    app: client?.id ?? '',
    secret: client?.secrets[0]?.id ?? '',
    registrationToken: registrationToken?.id ?? '',
  };
}

/** A product without a resource, so that no token tells of it, and somebody's role in it. */
async function registerProduct(
  issuer: string,
  ownerToken: string,
  { product, principal }: { readonly product: string; readonly principal: string },
): Promise<string> {
  const policy = rpcClient(issuer, PolicyService, ownerToken);
  const roles = ['clerk', 'auditor'].map((name) => ({ name, permissions: [`${name}:work`] }));
  await policy.registerProduct({ name: product, roles, idempotencyKey: sharedKey });
  const { assignment } = await policy.assignRole({ product, role: 'clerk', principal, idempotencyKey: sharedKey });
  return assignment?.id ?? '';
}

/** An identity provider that is trusted, somebody whom it knows, and another server that the app may go to. */
async function federate(
  issuer: string,
  ownerToken: string,
  { clientId, userId }: { readonly clientId: string; readonly userId: string },
): Promise<Pick<Handles, 'trustedIssuer' | 'linkedSubject' | 'resourceServer'>> {
  const federation = rpcClient(issuer, FederationService, ownerToken);
  const named = { issuer: sharedNames.issuer, name: 'a neighbour', idempotencyKey: sharedKey };
  const { issuer: trusted } = await federation.trustIssuer({
    ...named,
    purposes: [AssertionPurpose.ID_JAG, AssertionPurpose.WORKLOAD],
    jwksUri: `${sharedNames.issuer}/keys`,
    scopes: orderScopes,
    audiences: ['https://orders.example'],
  });
  const { subject } = await federation.linkSubject({
    ...{ issuerId: trusted?.id ?? '', subject: 'one of theirs', idempotencyKey: sharedKey },
    principal: { case: 'userId', value: userId },
  });
  const { resourceServer } = await federation.trustResourceServer({
    ...named,
    ...{ clientId, remoteClientId: 'shop', profile: AssertionProfile.ID_JAG },
  });
  return {
    trustedIssuer: trusted?.id ?? '',
    linkedSubject: subject?.id ?? '',
    resourceServer: resourceServer?.id ?? '',
  };
}
