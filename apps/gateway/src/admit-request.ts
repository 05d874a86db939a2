import { asRefusal, notFound, type Refusal } from '@mono-auth/core/errors';
import { newId, type TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Ingress } from '@mono-auth/transport';
import { type CertificateSource, takeCertificate } from './client-certificate.ts';
import { checkPath } from './request-path.ts';
import type { RevocationWatch } from './revocation-watch.ts';
import { stripHeaders } from './strip-headers.ts';
import { agree, fromBody, fromHost, fromPath, fromQuery, fromToken } from './tenant-names.ts';

/** What the gateway knows of a tenant. */
export interface RoutedTenant {
  readonly id: TenantId;
  readonly slug: string;
  readonly status: string;
}

export interface AdmissionDeps {
  readonly runtime: Runtime;
  readonly baseUrl: string;
  /** Finds a tenant by slug or id (`Resolve`). */
  find(name: string): Promise<RoutedTenant | undefined>;
  /** Where a trusted proxy puts the certificates of TLS clients; absent: they count from nobody. */
  readonly clientCertificates?: CertificateSource | undefined;
  /** Refuses what was revoked; without it the control plane alone does. */
  readonly revocations?: Pick<RevocationWatch, 'check'>;
  /** Told of every request that ends here. */
  onRefusal(refusal: Refusal, requestId: string): void;
}

/** A request as it came over the wire, whatever the wire. */
export interface Arrival {
  readonly method: string;
  /** Absolute, with the path as it was sent: parsing it folds dot segments away. */
  readonly url: string;
  readonly headers: Headers;
  /** As the client named us: Host, or `:authority` over HTTP/2. */
  readonly host: string;
  readonly body: Uint8Array | undefined;
  /** Address of the peer; empty when unknown. */
  readonly ip: string;
}

export interface Admitted {
  /** Without what a client has no business to send. */
  readonly headers: Headers;
  /** Carries the refusal, when there is one: the protocol that was spoken encodes it. */
  readonly ingress: Ingress;
}

/**
 * The rules of the edge, the same on every listener: identity headers go, the path has one reading, and everything that
 * names a tenant names the same one, which is active and has not revoked the token that came.
 */
export function createAdmission(deps: AdmissionDeps): (arrival: Arrival) => Promise<Admitted> {
  const baseHost = new URL(deps.baseUrl).host;
  return async ({ method, url: sent, headers: incoming, host, body, ip }) => {
    const requestId = newId(deps.runtime, 'req');
    const { headers, tenants } = stripHeaders(incoming);
    const certificate = takeCertificate(incoming, headers, ip, deps.clientCertificates);
    const url = new URL(sent);
    const possession = { method, path: url.pathname, dpop: headers.get('dpop') ?? undefined, certificate };
    const names = () => [
      ...fromPath(url.pathname),
      ...fromHost(host, baseHost),
      ...tenants.map((name) => ({ from: 'header' as const, name })),
      ...fromQuery(url),
      ...(body ? fromBody(headers.get('content-type') ?? '', body) : []),
      ...fromToken(headers.get('authorization'), deps.baseUrl),
    ];
    /** Also beside a refusal, once the names agree: then the tenant's log has its evidence. */
    let named: Ingress['tenant'];
    try {
      checkPath(rawPathOf(sent));
      const tenant = await agree(names(), deps.find);
      if (tenant && tenant.status !== 'active') throw notFound('tenant');
      if (tenant) named = { id: tenant.id, slug: tenant.slug };
      if (tenant) await deps.revocations?.check(url.pathname, headers.get('authorization'), tenant);
      return { headers, ingress: { requestId, ip, tenant: named, possession, refusal: undefined } };
    } catch (error) {
      const refusal = asRefusal(error);
      deps.onRefusal(refusal, requestId);
      return { headers, ingress: { requestId, ip, tenant: named, refusal } };
    }
  };
}

/** The path as it came over the wire: `URL` has folded dot segments away by then. */
function rawPathOf(url: string): string {
  const start = url.indexOf('/', url.indexOf('://') + 3);
  const end = url.slice(start).search(/[?#]/);
  return end < 0 ? url.slice(start) : url.slice(start, start + end);
}
