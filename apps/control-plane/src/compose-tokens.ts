import { createNonceWindow, type Ephemeral } from '@mono-auth/cache';
import { clientAuthentication } from '@mono-auth/clients';
import type { TenantTx } from '@mono-auth/database';
import { type Identity, openPeople } from '@mono-auth/identity';
import { type RevocationDeps, revoke } from '@mono-auth/revocation';
import { readSecurityPolicy } from '@mono-auth/tenants';
import { isLoopback } from '@mono-auth/tenants/base-url';
import type { TokenDeps } from '@mono-auth/tokens';
import { openRefreshTokens } from './open-refresh-tokens.ts';

/** What is mounted below an issuer: metadata names these and no others. */
const servedEndpoints: TokenDeps['served'] = [
  'token',
  'introspection',
  'revocation',
  'userinfo',
  'authorization',
  'pushed_authorization_request',
  'device_authorization',
  'end_session',
  'registration',
  'challenge',
];
/** How long one DPoP nonce or challenge is given out, milliseconds; it is good for as long again, and a client hears of the next in time. */
const dpopWindowMs = 120_000;

/** The parts that the token plane stands on and shares with others. */
interface TokenGround
  extends Pick<
    TokenDeps,
    'database' | 'runtime' | 'baseUrl' | 'keys' | 'feed' | 'minter' | 'policies' | 'tenants' | 'onRefusal'
  > {
  readonly identity: Identity;
  readonly ephemeral: Ephemeral;
  readonly revocation: RevocationDeps;
}

/** The token plane, with what points upward in the layers handed over. */
export function composeTokens(
  { identity, ephemeral, revocation, ...ground }: TokenGround,
  edge: Pick<TokenDeps, 'originOf' | 'clientCertificates' | 'userCodeKey'> & { readonly nonceSecret: Uint8Array },
): TokenDeps {
  const { database, runtime, baseUrl } = ground;
  const { nonceSecret: secret, ...faces } = edge;
  // A neighbour on loopback is asked only by an installation that is there itself.
  const allowLoopback = isLoopback(new URL(baseUrl).hostname);
  return {
    ...ground,
    ...faces,
    people: openPeople(database),
    codes: identity,
    checkAuthorization: (tenant, client, parameters) =>
      identity.validateAuthorizationParams(tenant, client.id, parameters),
    refreshTokens: openRefreshTokens(ground),
    served: servedEndpoints,
    dpopNonces: createNonceWindow({ ephemeral, runtime, secret }, { kind: 'dpop_proof', windowMs: dpopWindowMs }),
    attestationChallenges: createNonceWindow(
      { ephemeral, runtime, secret },
      { kind: 'attestation_challenge', windowMs: dpopWindowMs },
    ),
    remoteKeys: new clientAuthentication.RemoteKeys(runtime, { allowLoopback }),
    noteSecretUse: clientAuthentication.secretUseNoter(database),
    readIssuerPolicy: (tenantId) => database.forTenant(tenantId, readIssuerPolicy),
    readUser: identity.readUser,
    revokeToken: async (call, id) => {
      await revoke(revocation, call, { target: { kind: 'token', id }, reason: 'revoked by its client', waitMs: 0 });
    },
  };
}

async function readIssuerPolicy(tx: TenantTx): ReturnType<TokenDeps['readIssuerPolicy']> {
  const policy = await readSecurityPolicy(tx);
  const { dynamicRegistration, metadataDocumentClients, pushedRequestsRequired, idJag, clientAttestation } = policy;
  // Also where each waits for its approval: a client that did not try would never be a draft.
  const metadataDocuments = metadataDocumentClients !== 'disabled';
  return { registration: dynamicRegistration, metadataDocuments, pushedRequestsRequired, idJag, clientAttestation };
}
