import { type Client, clientAuthentication, findClient, peerJwt } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';
import { type ClientId, isId } from '@mono-auth/core/ids';
import { decodeProtectedHeader, type JWTPayload } from 'jose';
import type { GrantSession, Unproven } from '../grant-session.ts';

/** Whether an assertion calls itself a client of ours. Nothing is proven by that. */
export function isOfHost(assertion: string): boolean {
  try {
    return isId('cli', peerJwt.unverifiedClaims(assertion).iss);
  } catch {
    return false;
  }
}

/**
 * The client of the host that has signed the assertion with its own key (RFC 7523 §2.1, as SEP-1933 has it of workloads). It is
 * held to what its client assertions are held to: `iss` and `sub` the client, `aud` this issuer alone, five minutes, once.
 * @throws Refusal `invalid_grant`, in one wording for every cause.
 */
export async function verifyHostAssertion(session: Unproven, assertion: string): Promise<Client> {
  const { tx } = session;
  const id = peerJwt.unverifiedClaims(assertion).iss as ClientId;
  const client = await findClient(tx, id);
  await verify(session, assertion, client);
  if (client?.kind !== 'host' || client.status !== 'approved') throw refuse('not an approved client of a host');
  return client;
}

/** Once, also where it was shown as a client assertion: both are used up under one name. */
export async function useUpHostAssertion(session: GrantSession, assertion: string): Promise<void> {
  const claims = await verify(session, assertion, session.client);
  await clientAuthentication.useUpAssertion(session.tx, session.client.id, claims, refuse('it was used before'));
}

async function verify(
  { deps, tx, tenant: { issuer } }: Unproven | GrantSession,
  assertion: string,
  client: Client | undefined,
): Promise<JWTPayload & { jti: string }> {
  try {
    // What says that it authenticates a client is not a grant (rfc7523bis: `typ` tells the two apart).
    const { typ } = decodeProtectedHeader(assertion);
    if (typ !== undefined && typ !== 'JWT') throw new TypeError(`typ ${typ}`);
    const name = String(peerJwt.unverifiedClaims(assertion).iss);
    return await clientAuthentication.verifyAssertion(tx, { ...deps, issuer }, assertion, { name, client });
  } catch (cause) {
    if (!(cause instanceof Refusal || cause instanceof TypeError)) throw cause;
    throw refuse(cause);
  }
}

function refuse(cause: unknown): Refusal {
  return new Refusal('invalid_grant', 'assertion: is none that counts here', { cause });
}
