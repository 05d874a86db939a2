import { Refusal } from '@mono-auth/core/errors';
import { type ClientId, isId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Client } from '../client.ts';
import { manifestHash } from '../manifest-hash.ts';
import { matchSecret } from '../secrets/match-secret.ts';
import { selectRegistrationDigest } from '../store/registrations.ts';
import { lockClient, selectClient } from '../store.ts';
import { updateClient } from '../update-client.ts';
import { authMethodDefault, type ClientMetadata, readClientMetadata } from './client-metadata.ts';
import { inRegistrationTerms, registeredManifest } from './registered-manifest.ts';
import { isRegistrationToken, registrationDenied } from './registration-credential.ts';
import { type IssuedSecret, issueSecret } from './registration-secret.ts';

/** RFC 7592 §2.2: what the server alone says. */
const serverMembers = [
  'registration_access_token',
  'registration_client_uri',
  'client_secret_expires_at',
  'client_id_issued_at',
];

/**
 * The client whose registration access token this is (RFC 7592 §2). Another client's, a retired one's and one that never was
 * are answered alike, after the same work.
 * @throws Refusal `not_authenticated`.
 */
export async function requireRegistered(
  tx: TenantTx,
  { id: text, token }: { readonly id: string; readonly token: string },
): Promise<Client> {
  const id: ClientId | undefined = isId('cli', text) ? text : undefined;
  const kept = id && (await selectRegistrationDigest(tx, id));
  if (!isRegistrationToken(token, kept) || !id) throw registrationDenied('no such client, or not its token');
  const client = await selectClient(tx, id);
  if (!client) throw new TypeError('a client with a digest is a client');
  return client;
}

/**
 * Replaces the metadata as a whole (RFC 7592 §2.2), by the rules of every change: what narrows applies at once, what widens
 * waits for an approval. What operators have added is theirs and stays.
 * @throws Refusal `not_authenticated`; as `registerClient` for what is asked; `invalid_client_metadata` as well for members
 * that the server alone says, and for another name, which people know the client by.
 */
export async function replaceRegistration(
  tx: TenantTx,
  call: Call,
  input: { readonly id: ClientId; readonly json: string; readonly baseUrl: string },
): Promise<{ client: Client; secret: IssuedSecret | undefined }> {
  const { baseUrl, json } = input;
  const client = await lockClient(tx, input.id);
  if (!client || client.status === 'retired') throw registrationDenied('the client was retired meanwhile');
  const metadata = readClientMetadata(json, authMethodDefault);
  checkServerMembers(json);
  await checkIdentity(tx, call, client, metadata);
  const manifest = await registeredManifest(tx, call, metadata, { ...client, baseUrl });
  const wanted = client.proposed ?? client.manifest;
  const isSame = wanted !== undefined && manifestHash(wanted) === manifestHash(manifest);
  // Sent back by a reviewer, the same again is a new submission.
  const after =
    isSame && (client.proposed === undefined || client.proposedSubmitted)
      ? client
      : await inRegistrationTerms(() =>
          updateClient(tx, call, {
            ...{ id: client.id, version: client.version, baseUrl },
            manifest: { ...manifest, jwks: manifest.jwks.keys.length > 0 ? manifest.jwks : undefined },
            submit: true,
            ownerUserId: undefined,
          }),
        );
  return { client: after, secret: await issueSecret(tx, call, client.id, manifest.authMethod) };
}

function checkServerMembers(json: string): void {
  const sent: object = JSON.parse(json);
  const member = serverMembers.find((name) => Object.hasOwn(sent, name));
  if (member !== undefined) throw refuse(`${member}: is the server's to say`);
}

async function checkIdentity(tx: TenantTx, call: Call, client: Client, metadata: ClientMetadata): Promise<void> {
  if (metadata.clientId !== client.id) throw refuse('client_id: is required, and that of the registration');
  if (metadata.name !== undefined && metadata.name !== client.name) {
    throw refuse('client_name: stays as it was registered');
  }
  if (metadata.kind !== client.kind)
    throw refuse(`grant_types: those of ${client.kind === 'app' ? 'an app' : 'a machine'}`);
  if (metadata.clientSecret === undefined) return;
  // RFC 7592 §2.2: a client does not choose its secret.
  const shown = { clientId: client.id, text: metadata.clientSecret };
  if (!(await matchSecret(tx, call.runtime, shown, async () => {}))) throw refuse('client_secret: is not its secret');
}

function refuse(detail: string): Refusal {
  return new Refusal('invalid_client_metadata', detail);
}
