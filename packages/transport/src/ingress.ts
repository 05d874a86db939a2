import { type ContextValues, createContextKey, createContextValues, type HandlerContext } from '@connectrpc/connect';
import { Refusal } from '@mono-auth/core/errors';
import type { RequestId, TenantId } from '@mono-auth/core/ids';
import type { Call, Caller } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';

/** The certificate of a TLS client, as a proxy that is trusted with it has verified it. */
export interface ClientCertificate {
  /** In the form of RFC 4514. */
  readonly subjectDn: string;
  /** SHA-256 of the certificate, base64url: `x5t#S256` (RFC 8705 §3.1). */
  readonly thumbprint: string;
}

/** What may show that a caller holds the key of its token, and of which request it speaks. */
export interface Possession {
  readonly method: string;
  /** As the client named it, below the base URL. */
  readonly path: string;
  /** The DPoP header; several reach us joined by commas. */
  readonly dpop: string | undefined;
  readonly certificate: ClientCertificate | undefined;
}

/** What the edge knows of a request before any credential is looked at. */
export interface Ingress {
  readonly requestId: RequestId;
  /** Address of the peer as the edge saw it; empty when unknown. */
  readonly ip: string;
  /** The tenant that path or host name; undefined where the credential alone names it. */
  readonly tenant: { readonly id: TenantId; readonly slug: string } | undefined;
  /** Absent where no edge has seen the request: no token that is bound to a key is good then. */
  readonly possession?: Possession | undefined;
  /**
   * Set when the edge has refused the request already: whoever answers it encodes this and does nothing else, but that
   * an RPC leaves evidence with the tenant, where the edge has found one.
   */
  readonly refusal?: Refusal | undefined;
}

const ingressKey = createContextKey<Ingress | undefined>(undefined, { description: 'ingress' });
const callerKey = createContextKey<Caller | undefined>(undefined, { description: 'caller' });

export function contextValuesOf(ingress: Ingress): ContextValues {
  return createContextValues().set(ingressKey, ingress);
}

export function ingressOf(context: Pick<HandlerContext, 'values'>): Ingress {
  const ingress = context.values.get(ingressKey);
  if (!ingress) throw new TypeError('the request did not come through the edge');
  return ingress;
}

export function setCaller(values: ContextValues, caller: Caller): void {
  values.set(callerKey, caller);
}

/**
 * The call that a handler works on.
 * @throws Refusal `not_authenticated` on an RPC that nobody authenticated: a public one must not ask for a caller.
 */
export function callOf(runtime: Runtime, context: Pick<HandlerContext, 'values'>): Call {
  const caller = context.values.get(callerKey);
  if (!caller) throw new Refusal('not_authenticated', 'a bearer token is needed');
  return { runtime, caller };
}
