import { peerJwt } from '@mono-auth/clients';
import { FetchedDocuments, type PrepareDeps, prepareClient } from '@mono-auth/clients/metadata-documents';
import { Refusal } from '@mono-auth/core/errors';
import type { Tenant } from '@mono-auth/tenants';
import { isLoopback } from '@mono-auth/tenants/base-url';
import type { TokenDeps } from '@mono-auth/tokens';
import { type Ingress, toOAuthError } from '@mono-auth/transport';
import type { MiddlewareHandler } from 'hono';
import type { Parts } from './compose.ts';

/** Longest form that is looked into, bytes: as long as the endpoints take. */
const formBytesMax = 32 * 1024;

/**
 * Before any OAuth endpoint: a client that calls itself by the URL of its metadata document is brought up to date, so that
 * everything behind finds it by that URL as every other client, and needs to know nothing about documents.
 */
export function prepareClients({ parts, prepare }: ClientPreparation): MiddlewareHandler {
  return async (c, next) => {
    try {
      const clientId = await clientIdOf(c.req.raw);
      const tenant = clientId === undefined ? undefined : await parts.tenants.bySlug(c.req.param('slug') ?? '');
      if (clientId !== undefined && tenant?.status === 'active') {
        await prepare(tenant, clientId, parts.ingressOf(c.req.raw));
      }
    } catch (error) {
      if (error instanceof Refusal) parts.onRefusal(error);
      return toOAuthError(error);
    }
    return next();
  };
}

/** The same where the form is read already: `TokenService.Exchange`, and a plain request at the token endpoint. */
export function prepareRpcClient({ prepare }: ClientPreparation): NonNullable<TokenDeps['prepareClient']> {
  return async (tenant, form, origin) => {
    const clientId = urlOnly(form.get('client_id') ?? subjectOf(form.get('client_assertion')));
    if (clientId !== undefined) await prepare(tenant, clientId, origin);
  };
}

export interface ClientPreparation {
  readonly parts: Parts;
  readonly prepare: (tenant: Tenant, clientId: string, origin: Pick<Ingress, 'requestId' | 'ip'>) => Promise<void>;
}

/** What both doors share: one memory of fetched documents. */
export function openClientPreparation(parts: Parts): ClientPreparation {
  const { hostname, protocol } = new URL(parts.baseUrl);
  // An installation in development meets clients in development: both on this machine, neither with a certificate.
  const allowLoopback = protocol === 'http:' && isLoopback(hostname);
  const deps: PrepareDeps = { ...parts, documents: new FetchedDocuments(parts.runtime, { allowLoopback }) };
  return {
    parts,
    prepare: async (tenant, clientId, { requestId, ip }) => {
      await prepareClient(deps, clientId, { tenant, requestId, ip });
    },
  };
}

/** The URL by which a client calls itself, if it does: as parameter, as user name, or as subject of its assertion. */
async function clientIdOf(request: Request): Promise<string | undefined> {
  // Each endpoint reads its own place, and so do we: what stands in another one is nobody's name.
  if (request.method !== 'POST') return urlOnly(new URL(request.url).searchParams.get('client_id'));
  const mediaType = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (mediaType !== 'application/x-www-form-urlencoded') return undefined;
  const form = new URLSearchParams(await readStart(request.clone()));
  return urlOnly(form.get('client_id') ?? subjectOf(form.get('client_assertion')));
}

/** The body; nothing where it is longer than any endpoint takes, which refuses it then. */
async function readStart({ body }: Request): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > formBytesMax) return '';
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function subjectOf(assertion: string | null | undefined): string | undefined {
  if (assertion === null || assertion === undefined) return undefined;
  try {
    const { sub } = peerJwt.unverifiedClaims(assertion);
    return typeof sub === 'string' ? sub : undefined;
  } catch {
    // The endpoint says what is wrong with it.
    return undefined;
  }
}

function urlOnly(clientId: string | null | undefined): string | undefined {
  return clientId?.includes('://') ? clientId : undefined;
}
