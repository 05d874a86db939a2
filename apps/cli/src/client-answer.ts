import { fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { Refusal } from '@mono-auth/core/errors';
import {
  AuthMethod,
  type Client,
  ClientKind,
  ClientSchema,
  ClientStatus,
  Environment,
  type Manifest,
  ManifestSchema,
} from '@mono-auth/proto/monoauth/clients/v1/clients';
import type { CliContext } from './context.ts';
import { readJsonObject } from './input.ts';
import { type OutputFlags, print, wordOf } from './output.ts';

/** @throws Refusal `unavailable` when the answer has no client. */
export function requireAnswer<T>(answered: T | undefined, what: string): T {
  if (!answered) throw new Refusal('unavailable', `${what}: the answer has none`);
  return answered;
}

/** A client as it then is, its hashes included: an approval names one. */
export function printClient(
  context: CliContext,
  flags: OutputFlags,
  client: Client,
  more: Record<string, string> = {},
): void {
  const { proposedHash, proposedSubmitted, manifestHash, manifest, proposed } = client;
  const shown = manifest ?? proposed;
  print(context, flags, { client: toJson(ClientSchema, client), ...more }, [
    `client       ${client.id}`,
    `name         ${client.name}`,
    `kind         ${wordOf(ClientKind, client.kind, 'CLIENT_KIND_')}`,
    `status       ${wordOf(ClientStatus, client.status, 'CLIENT_STATUS_')}`,
    `environment  ${wordOf(Environment, client.environment, 'ENVIRONMENT_')}`,
    `owner        ${client.ownerUserId}`,
    `version      ${client.version}`,
    `scope        ${client.scopes.join(' ')}`,
    `audiences    ${client.audiences.join(' ')}`,
    ...(shown ? [`method       ${wordOf(AuthMethod, shown.authMethod, 'AUTH_METHOD_')}`] : []),
    ...(shown?.redirectUris ?? []).map((uri) => `redirect     ${uri}`),
    ...(manifestHash === '' ? [] : [`in force     ${manifestHash}`]),
    ...(proposedHash === ''
      ? []
      : [`proposed     ${proposedHash} ${proposedSubmitted ? '(submitted)' : ''}`.trimEnd()]),
    ...client.secrets.map(({ id }) => `secret       ${id}`),
  ]);
}

/** A manifest in the JSON form of the contract. @throws Refusal `invalid_request`. */
export async function readManifestFile(context: CliContext, source: string): Promise<Manifest> {
  const document = await readJsonObject(context, source);
  refusePrivateKeys(document.jwks);
  try {
    return fromJson(ManifestSchema, document as JsonValue);
  } catch (cause) {
    throw new Refusal('invalid_request', 'manifest-file: not a manifest in the JSON form of the contract', { cause });
  }
}

/** The server refuses private keys too, but by then one would have left this machine. */
export function refusePrivateKeys(jwks: unknown): void {
  const { keys } = (jwks ?? {}) as { keys?: unknown };
  const secret = (Array.isArray(keys) ? (keys as unknown[]) : []).some(
    (key) => typeof key === 'object' && key !== null && ('d' in key || 'k' in key),
  );
  if (secret) throw new Refusal('invalid_request', 'jwks: holds a private key; send the public ones alone');
}

export const environments = ['development', 'staging', 'production'] as const;

const wireEnvironment = {
  development: Environment.DEVELOPMENT,
  staging: Environment.STAGING,
  production: Environment.PRODUCTION,
} as const;

export function environmentOf(name: (typeof environments)[number] | undefined): Environment {
  return name === undefined ? Environment.UNSPECIFIED : wireEnvironment[name];
}
