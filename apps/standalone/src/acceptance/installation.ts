import { type ControlPlane, createControlPlane } from '@mono-auth/control-plane';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import { platformSlug } from '@mono-auth/core/tenant-slug';
import type { Database } from '@mono-auth/database';
import { createGateway, type GatewayDeps } from '@mono-auth/gateway';
import type { Tenant } from '@mono-auth/tenants';
import pino from 'pino';
import { Person } from '../tour/person.ts';

export interface Installation {
  readonly baseUrl: string;
  readonly controlPlane: ControlPlane;
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
  const gateway = createGateway({
    ...edge,
    runtime,
    baseUrl,
    find: controlPlane.tenants.find,
    forward: controlPlane.fetch,
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
    provision,
    signIn: (slug, email = ownerEmail) => Person.signIn(baseUrl, slug, email, ownerPassword),
    async close() {
      await server.stop(true);
      await controlPlane.close();
    },
  };
}
