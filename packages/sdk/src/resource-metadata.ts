import { Refusal } from '@mono-auth/core/errors';
import {
  type ProtectedResourceMetadata,
  protectedResourceMetadata,
  protectedResourceUrl,
} from '@mono-auth/core/protected-resource';
import { dpopAlgorithms } from '@mono-auth/core/token-claims';
import type { VerifierOptions } from './verifier.ts';

export interface ResourceMetadataOptions {
  /** Every scope value that some operation of the service asks for. */
  readonly scopes: readonly string[];
  /** For people. */
  readonly name?: string;
  /** Which of the verifier's audiences, where it has several. */
  readonly resource?: string;
  /** Whether only tokens that are bound to a key are taken. */
  readonly dpopRequired?: boolean;
}

export interface ResourceMetadata {
  /** To be served as JSON at `url`. */
  readonly document: ProtectedResourceMetadata;
  /** Where clients look for it (RFC 9728 §3.1); what `guard` is given as `resourceMetadataUrl`. */
  readonly url: string;
}

/**
 * What a service says about itself (RFC 9728), from the settings of its verifier: so that it never promises another issuer or
 * audience than it checks.
 * @throws Refusal `invalid_request` unless the resource is an audience of the verifier and an http(s) URL.
 */
export function resourceMetadata(
  { issuer, audience }: Pick<VerifierOptions, 'issuer' | 'audience'>,
  { scopes, name, resource, dpopRequired }: ResourceMetadataOptions,
): ResourceMetadata {
  const audiences = [audience].flat();
  const own = resource ?? (audiences.length === 1 ? audiences[0] : undefined);
  if (own === undefined || !audiences.includes(own)) {
    throw new Refusal('invalid_request', 'resource: name one of the audiences of the verifier');
  }
  const url = URL.parse(own);
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.hash !== '') {
    throw new Refusal('invalid_request', 'resource: has metadata only as an http(s) URL without fragment');
  }
  const about = { resource: own, authorizationServers: [issuer], scopes, name, dpopRequired };
  return {
    document: protectedResourceMetadata({ ...about, dpopAlgorithms }),
    url: protectedResourceUrl(own),
  };
}
