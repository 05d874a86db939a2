import { type Client, type clientAuthentication, type PublicJwks, peerJwt } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';
import { clockSkewSeconds } from '@mono-auth/core/limits';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import { selectRememberedIssuer } from '../store/issuers.ts';
import type { TrustedIssuer } from '../trusted-issuer.ts';
import { type ClientAttestation, invalidAttestation } from './client-attestation.ts';

/** §4: explicitly typed, so that it is nothing else and nothing else is one. */
const attestationType = 'oauth-client-attestation+jwt';

export interface AttestationDeps {
  readonly runtime: Runtime;
  readonly remoteKeys: Pick<clientAuthentication.RemoteKeys, 'publishedKeys'>;
}

/**
 * Verifies that an attester whom the client names, and whom the tenant trusts for this, vouches for an instance of the client
 * now (§7.1). That the instance holds the key is proven elsewhere. For nobody (`undefined`) the work is the same. Run it inside
 * `RemoteKeys.withKeys`. Nothing is used up.
 * @returns the attester, whose id is in `grants` of every token that is made for the instance.
 * @throws Refusal `invalid_client_attestation`; `use_fresh_attestation`; KeysWanted when keys have to be fetched first.
 */
export async function verifyClientAttestation(
  tx: TenantTx,
  deps: AttestationDeps,
  attestation: ClientAttestation,
  client: Client | undefined,
): Promise<TrustedIssuer> {
  const { claims, kid } = attestation;
  const attester = await selectRememberedIssuer(tx, claims.iss);
  if (attester?.status !== 'trusted' || !attester.purposes.includes('client_attestation')) {
    throw invalidAttestation(`its issuer is ${attester?.status ?? 'unknown'}, or trusted for other things`);
  }
  await verifySignature(attestation, keysOf(tx, deps, attester, kid), deps.runtime.nowMs());
  if (!client || claims.sub !== (client.externalId ?? client.id)) throw invalidAttestation('sub is not the client');
  if (client.manifest?.attester !== claims.iss) throw invalidAttestation('the client names another attester, or none');
  if (attester.clientIds.length > 0 && !attester.clientIds.includes(client.id)) {
    throw invalidAttestation('its issuer is trusted for other clients');
  }
  if (attester.multiTenant) throw invalidAttestation('its issuer names its subjects by tenant');
  if (attester.oneTime && claims.jti === undefined) throw invalidAttestation('it needs a jti, because it works once');
  requireFresh(attestation, attester, deps.runtime.nowMs());
  return attester;
}

function keysOf(
  { tenantId }: TenantTx,
  { remoteKeys }: AttestationDeps,
  { id, keys }: TrustedIssuer,
  kid: string | undefined,
): PublicJwks {
  if ('jwks' in keys) return keys.jwks;
  return remoteKeys.publishedKeys({ tenantId, id, uri: keys.jwksUri }, kid, () =>
    invalidAttestation('its jwks_uri could not be read a moment ago'),
  );
}

async function verifySignature(
  { jwt, claims: { exp } }: ClientAttestation,
  jwks: PublicJwks,
  nowMs: number,
): Promise<void> {
  // As of its end where that is past: whoever holds a right one that is too old is told so, and nobody else is.
  const asOfMs = Math.min(nowMs, exp * 1000);
  try {
    await peerJwt.verifyReusableJwt(jwt, jwks, { typ: [attestationType], nowMs: asOfMs });
  } catch (cause) {
    throw invalidAttestation(cause);
  }
}

/**
 * §7.1 item 6: it has not expired, and is no older than its issuer is trusted for, however long it says that it lives. Without
 * `iat` it is as old as its end lets it be.
 */
function requireFresh({ claims }: ClientAttestation, { assertionTtlSecondsMax }: TrustedIssuer, nowMs: number): void {
  const { exp, iat } = claims;
  const nowSeconds = nowMs / 1000;
  const leftSeconds = exp - nowSeconds;
  const isTooOld =
    iat === undefined
      ? leftSeconds > assertionTtlSecondsMax + clockSkewSeconds
      : nowSeconds - iat > assertionTtlSecondsMax + clockSkewSeconds;
  if (leftSeconds > -clockSkewSeconds && !isTooOld) return;
  throw new Refusal('use_fresh_attestation', 'the client attestation is too old, or lives too long');
}
