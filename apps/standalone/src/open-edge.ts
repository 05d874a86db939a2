import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type { Config, ControlPlane } from '@mono-auth/control-plane';
import type { Runtime } from '@mono-auth/core/runtime';
import { createAdmission, createGateway, openRevocationWatch, type RevocationWatch } from '@mono-auth/gateway';
import type { Logger } from 'pino';
import type { GrpcListener } from './grpc-listener.ts';
import type { Listener } from './listener.ts';

/** Digits of the digest that tell the processes of an installation apart. */
const nameDigits = 8;

interface EdgeDeps {
  readonly controlPlane: ControlPlane;
  readonly runtime: Runtime;
  readonly baseUrl: string;
  readonly log: Logger;
  readonly config: Pick<Config, 'MONO_CLIENT_CERT_HEADER' | 'MONO_TRUSTED_PROXIES'>;
  /** Which of the processes on these ports this is, from 1 on. */
  readonly process: number;
}

/** Opens both ports with the rules of the edge. @returns what watches the revocations for both; to be closed first. */
export function openEdge(edge: Listener, grpc: GrpcListener, deps: EdgeDeps): RevocationWatch {
  const { controlPlane, runtime, baseUrl, log, config } = deps;
  const { MONO_CLIENT_CERT_HEADER: header, MONO_TRUSTED_PROXIES: trustedProxies } = config;
  const revocations = openRevocationWatch({
    ...{ runtime, baseUrl, forward: controlPlane.fetch },
    name: gatewayName(edge.port, deps.process),
    tokens: ({ id }) => controlPlane.gatewayTokens(id),
    onError: (err, { slug }) => log.debug({ tenant: slug, reason: err.reason, err }, 'revocations are not followed'),
  });
  const rules: Parameters<typeof createAdmission>[0] = {
    ...{ runtime, baseUrl, revocations },
    find: controlPlane.tenants.find,
    clientCertificates: header === undefined ? undefined : { header, trustedProxies },
    onRefusal: (refusal, requestId) => log.info({ requestId, reason: refusal.reason, err: refusal.cause }, 'refused'),
  };
  const gateway = createGateway({ ...rules, forward: controlPlane.fetch });
  edge.serve((request, ip) => gateway.fetch(request, { ip }));
  grpc.serve({
    admit: createAdmission(rules),
    http2: controlPlane.http2,
    onError: (err) => log.error({ err }, 'a call failed'),
  });
  return revocations;
}

/**
 * The name under which this process subscribes: that of no other one on the same database, and the same after a restart.
 * A digest, because receipts show it to tenants, whom the names of our machines do not concern.
 */
function gatewayName(port: number, process: number): string {
  const place = createHash('sha256')
    .update(`${hostname()}:${port}${process === 1 ? '' : `/${process}`}`)
    .digest('hex');
  return `gateway-${place.slice(0, nameDigits)}`;
}
