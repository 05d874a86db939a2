import { type ClientId, isId } from '@mono-auth/core/ids';
import type { TenantTx } from '@mono-auth/database';
import { useUpAssertion, verifyAssertion } from './authentication/assertion.ts';
import { type ClientAuthentication, type Credentials, readCredentials } from './authentication/credentials.ts';
import type { AuthenticationDeps } from './authentication/deps.ts';
import { invalidClient } from './authentication/invalid-client.ts';
import { isSameSubject } from './authentication/subject-name.ts';
import type { Client } from './client.ts';
import type { AuthMethod } from './manifest.ts';
import { matchSecret } from './secrets/match-secret.ts';
import { lookUpInVain, selectClient, selectClientByExternalId } from './store.ts';

/** A well-formed id that no client has: what is no id at all is looked up as well. */
const nobody = 'cli_00000000000000000000000000' as ClientId;

/**
 * Authenticates a client by the one method that its manifest in force names (RFC 6749 §2.3), and uses an assertion up: in
 * this transaction, or with the evidence of this decision. Run it inside `RemoteKeys.withKeys`.
 * @throws Refusal `invalid_client`, in one wording and at the same cost for every cause; `invalid_request` for two methods.
 */
export async function authenticateClient(
  tx: TenantTx,
  deps: AuthenticationDeps,
  params: ClientAuthentication,
): Promise<Client> {
  const credentials = readCredentials(params);
  const client = await findClaimant(tx, credentials.clientId);
  try {
    return await proveClient(tx, deps, credentials, client);
  } catch (error) {
    // Who is known may be remembered, who is not is looked up in the database: time must not tell them apart.
    // An attester is looked up for both of them.
    if (client && (!tx.hasRun || credentials.method === 'instance')) await lookUpInVain(tx, client.id);
    throw error;
  }
}

async function proveClient(
  tx: TenantTx,
  deps: AuthenticationDeps,
  credentials: Credentials,
  client: Client | undefined,
): Promise<Client> {
  // The proof before the status: whoever cannot prove anything learns from neither text nor time whether it is known.
  const proven = await prove(tx, deps, credentials, client);
  if (!client) throw invalidClient('no such client in this tenant');
  if (client.status !== 'approved' || !client.manifest) throw invalidClient(`the client is ${client.status}`);
  if (client.manifest.authMethod !== proven.method) throw invalidClient(`its method is ${client.manifest.authMethod}`);
  await proven.useUp?.(client.id);
  return client;
}

async function findClaimant(tx: TenantTx, name: string): Promise<Client | undefined> {
  if (isId('cli', name)) {
    const client = await selectClient(tx, name);
    // A client of a metadata document is called by its URL alone: that is what brings it up to date before, or refuses it.
    return client?.externalId === undefined ? client : undefined;
  }
  return name.includes('://') ? selectClientByExternalId(tx, name) : selectClient(tx, nobody);
}

interface Proven {
  readonly method: AuthMethod;
  /** Called when nothing can refuse the client any more. */
  useUp?(clientId: ClientId): Promise<void>;
}

async function prove(
  tx: TenantTx,
  deps: AuthenticationDeps,
  credentials: Credentials,
  client: Client | undefined,
): Promise<Proven> {
  switch (credentials.method) {
    case 'private_key_jwt': {
      const claims = await verifyAssertion(tx, deps, credentials.assertion, { name: credentials.clientId, client });
      return { method: 'private_key_jwt', useUp: (id) => useUpAssertion(tx, id, claims) };
    }
    case 'instance': {
      const { instance } = credentials;
      await instance.prove(tx, client);
      return { method: instance.method, useUp: (id) => instance.useUp(tx, id) };
    }
    case 'client_secret_basic':
    case 'client_secret_post':
      return { method: await proveSecret(tx, deps, credentials, client?.id ?? nobody) };
    case 'named': {
      if (client?.manifest?.authMethod !== 'tls_client_auth') return { method: 'none' };
      const { tlsSubjectDn } = client.manifest;
      // RFC 8705 §2.1: the one registered subject. Whether the chain is trusted is the proxy's to say.
      if (!credentials.certificate || tlsSubjectDn === undefined) throw invalidClient('no certificate');
      if (!isSameSubject(credentials.certificate.subjectDn, tlsSubjectDn)) throw invalidClient('another subject');
      return { method: 'tls_client_auth' };
    }
  }
}

/** RFC 6749 §2.3.1. A client that is none is asked for as well: it costs the same query. */
async function proveSecret(
  tx: TenantTx,
  { runtime, noteSecretUse }: AuthenticationDeps,
  { method, secret }: Extract<Credentials, { secret: string }>,
  clientId: ClientId,
): Promise<AuthMethod> {
  const match = await matchSecret(tx, runtime, { clientId, text: secret }, noteSecretUse);
  if (match === undefined) throw invalidClient('the secret is none of its own');
  return method;
}
