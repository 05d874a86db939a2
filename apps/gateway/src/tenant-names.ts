import { jwtSyntax } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { isId } from '@mono-auth/core/ids';
import { tokenBytesMax } from '@mono-auth/core/limits';

/** Query parameters and body fields by which a client may name a tenant. They never choose one; they must agree. */
const fields = ['tenant', 'tenant_id', 'tenantId', 'tenant_slug', 'tenantSlug'];

/** One name of a tenant, by slug or by id, and where it stood. */
export interface TenantName {
  readonly from: 'path' | 'host' | 'header' | 'query' | 'body' | 'token';
  readonly name: string;
}

const issuerPath = /^\/t\/([^/]+)$/;
const servedPath = /^\/t\/([^/]+)(?:\/|$)/;
const wellKnownPath = /^\/\.well-known\/[^/]+\/t\/([^/]+)(?:\/|$)/;

export function fromPath(pathname: string): TenantName[] {
  const slug = (servedPath.exec(pathname) ?? wellKnownPath.exec(pathname))?.[1];
  return slug === undefined ? [] : [{ from: 'path', name: slug }];
}

/** `{slug}.{host of the base URL}`: one label in front of our own name. */
export function fromHost(host: string, baseHost: string): TenantName[] {
  const name = host.toLowerCase().replace(/:\d+$/, '');
  const suffix = `.${baseHost.toLowerCase().replace(/:\d+$/, '')}`;
  if (!name.endsWith(suffix)) return [];
  const label = name.slice(0, -suffix.length);
  return label.includes('.') || label === '' ? [] : [{ from: 'host', name: label }];
}

/** A form that may hold one of the fields: their first letters, or a name that is spelled in escapes. */
const mayNameTenant = /tenant|(?:^|&)[^=&]*%/;

export function fromQuery({ search, searchParams: query }: URL): TenantName[] {
  if (search === '') return [];
  return fields.flatMap((field) => query.getAll(field).map((name) => ({ from: 'query' as const, name })));
}

/** Reads JSON objects and forms; any other body names no tenant. Malformed ones are left to the endpoint to refuse. */
export function fromBody(contentType: string, body: Uint8Array): TenantName[] {
  // RFC 9110 §8.3.1: compared without case.
  const mediaType = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (mediaType === 'application/x-www-form-urlencoded') {
    const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
    if (!mayNameTenant.test(text)) return [];
    const form = new URLSearchParams(text);
    return fields.flatMap((field) => form.getAll(field).map((name) => ({ from: 'body' as const, name })));
  }
  if (!/^application\/(?:[\w.+-]+\+)?json$/.test(mediaType)) return [];
  const text = mediaType === 'application/json' ? body : messageOf(body);
  try {
    const value: unknown = JSON.parse(Buffer.from(text).toString('utf8'));
    if (typeof value !== 'object' || value === null) return [];
    return fields.flatMap((field) => {
      const name: unknown = Reflect.get(value, field);
      return typeof name === 'string' ? [{ from: 'body' as const, name }] : [];
    });
  } catch {
    return [];
  }
}

/** The first message of a stream: behind flags (a byte) and length (four), which no JSON text begins with. */
function messageOf(body: Uint8Array): Uint8Array {
  const flags = body[0];
  if (flags === undefined || flags > 1 || body.length < envelopeBytes) return body;
  const { buffer, byteOffset } = body;
  const length = new DataView(buffer, byteOffset).getUint32(1);
  return body.subarray(envelopeBytes, envelopeBytes + length);
}

/** https://connectrpc.com/docs/protocol#streaming-rpcs: Enveloped-Message; gRPC's Length-Prefixed-Message is the same. */
const envelopeBytes = 5;

/**
 * What a bearer token says of its tenant, unverified: enough to refuse, never enough to admit. A token whose issuer and
 * `tenant_id` speak of two tenants is caught when its signature is checked.
 */
export function fromToken(authorization: string | null, baseUrl: string): TenantName[] {
  const token = /^(?:bearer|dpop) +(\S+)$/i.exec(authorization ?? '')?.[1];
  if (!token || token.length > tokenBytesMax || !jwtSyntax.test(token)) return [];
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString('utf8'));
    if (typeof claims !== 'object' || claims === null) return [];
    const { iss, tenant_id: id } = claims as { iss?: unknown; tenant_id?: unknown };
    const names: TenantName[] = [];
    if (typeof iss === 'string' && iss.startsWith(baseUrl)) {
      const slug = issuerPath.exec(iss.slice(baseUrl.length))?.[1];
      if (slug !== undefined) names.push({ from: 'token', name: slug });
    }
    if (typeof id === 'string') names.push({ from: 'token', name: id });
    return names;
  } catch {
    return [];
  }
}

/**
 * The one tenant that all names speak of; undefined when nothing names one. Slugs are compared with slugs and ids with
 * ids first, so that most disagreements end without any look-up.
 * @throws Refusal `not_found` when two names disagree: whoever guesses learns nothing of the other tenant.
 */
export async function agree<T extends { id: string; slug: string }>(
  names: readonly TenantName[],
  find: (name: string) => Promise<T | undefined>,
): Promise<T | undefined> {
  let slug: string | undefined;
  let id: string | undefined;
  for (const { name } of names) {
    const isOfId = isId('ten', name);
    if (name !== ((isOfId ? id : slug) ?? name)) throw disagreement(names);
    if (isOfId) id = name;
    else slug = name;
  }
  const name = slug ?? id;
  if (name === undefined) return undefined;
  const tenant = await find(name);
  if (!tenant || (id !== undefined && id !== tenant.id)) throw disagreement(names);
  return tenant;
}

function disagreement(names: readonly TenantName[]): Refusal {
  const cause = new Error(names.map(({ from, name }) => `${from}: ${name}`).join(', '));
  return new Refusal('not_found', 'tenant not found', { cause });
}
