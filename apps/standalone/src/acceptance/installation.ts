import { type ControlPlane, createControlPlane } from '@mono-auth/control-plane';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import { platformSlug } from '@mono-auth/core/tenant-slug';
import type { Database } from '@mono-auth/database';
import {
  createGateway,
  type GatewayDeps,
  openRevocationWatch,
  type RevocationWatch,
  type RevocationWatchDeps,
} from '@mono-auth/gateway';
import type { Tenant } from '@mono-auth/tenants';
import type { Ingress } from '@mono-auth/transport';
import pino from 'pino';
import { Person } from '../tour/person.ts';

export interface Installation {
  readonly baseUrl: string;
  readonly controlPlane: ControlPlane;
  readonly revocations: RevocationWatch;
  /** Provisions a tenant whose owner is `owner@example.test` unless another is named. */
  provision(slug: string, owner?: string): Promise<Tenant>;
  signIn(slug: string, email?: string): Promise<Person>;
  close(): Promise<void>;
}

export const ownerEmail = 'owner@example.test';
export const ownerPassword = 'correct horse battery staple';

/** A fault between the server and its clients: what they get instead of the true answer. */
export type Tamper = (request: Request, answer: () => Promise<Response>) => Promise<Response>;

export interface InstallationOptions {
  /** Stands between the server and its clients. */
  readonly tamper?: Tamper;
  /** The name that its base URL gives it. */
  readonly hostname?: string;
  readonly redisUrl?: string | undefined;
  readonly runtime?: Runtime;
  /** Where a proxy in front puts the certificates of clients, and which proxies are trusted with that. */
  readonly clientCertificates?: GatewayDeps['clientCertificates'];
  /** Told of every request that the gateway hands on, with what the edge found. */
  readonly onForward?: (ingress: Ingress) => void;
  /** Replaces what the gateway's watch is made of. */
  readonly watch?: Partial<RevocationWatchDeps>;
}

/** The whole server on a port of its own, over the database of one test file: the gateway, the control plane, no worker. */
export async function openInstallation(
  database: Database,
  kek: Uint8Array,
  {
    tamper = (_request, answer) => answer(),
    hostname = '127.0.0.1',
    redisUrl,
    runtime = systemRuntime,
    onForward,
    watch,
    ...edge
  }: InstallationOptions = {},
): Promise<Installation> {
  let handle: (request: Request, ip: string) => Response | Promise<Response> = () =>
    new Response(null, { status: 503 });
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 60,
    fetch: (request, self) => handle(request, self.requestIP(request)?.address ?? ''),
  });
  const baseUrl = `http://${hostname}:${server.port}`;
  const log = pino({ level: 'silent' });
  const controlPlane = await createControlPlane({
    ...{ database, runtime, kek, baseUrl, log, redisUrl },
    clientCertificates: edge.clientCertificates !== undefined,
  });
  const revocations = openRevocationWatch({
    ...{ runtime, baseUrl, name: 'gateway', forward: controlPlane.fetch },
    tokens: ({ id }) => controlPlane.gatewayTokens(id),
    onError: () => {},
    ...watch,
  });
  const gateway = createGateway({
    ...edge,
    runtime,
    baseUrl,
    revocations,
    find: controlPlane.tenants.find,
    forward(request, ingress) {
      onForward?.(ingress);
      return controlPlane.fetch(request, ingress);
    },
    onRefusal: () => {},
  });
  handle = (request, ip) => tamper(request, async () => gateway.fetch(request, { ip }));
  const provision = async (slug: string, owner = ownerEmail) => {
    const input = { slug, displayName: slug, ownerEmail: owner, ownerPassword };
    return (await controlPlane.provision(input)).tenant;
  };
  await provision(platformSlug);
  return {
    baseUrl,
    controlPlane,
    revocations,
    provision,
    signIn: (slug, email = ownerEmail) => Person.signIn(baseUrl, slug, email, ownerPassword),
    async close() {
      await revocations.close();
      await server.stop(true);
      await controlPlane.close();
    },
  };
}
