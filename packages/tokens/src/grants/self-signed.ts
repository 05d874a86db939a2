import { clientAuthentication } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';
import type { TransactionStart } from '@mono-auth/minting';
import { decodeProtectedHeader } from 'jose';
import { required } from '../form.ts';
import type { GrantSession } from '../grant-session.ts';

/**
 * A workload's own word that a transaction begins with itself (transaction tokens §7.1): signed by its registered key, `iss` and
 * `sub` the client, `aud` this issuer, once. It is no client assertion, which says so by its `typ`.
 * @throws Refusal `invalid_request`.
 */
export async function readSelfSigned(
  session: GrantSession,
): Promise<Pick<TransactionStart, 'subject' | 'notAfter' | 'handles'>> {
  const { deps, tx, tenant, form, client, principal, context } = session;
  const token = required(form, 'subject_token');
  try {
    const { typ } = decodeProtectedHeader(token);
    if (typ !== undefined && typ !== 'JWT') throw new TypeError(`typ ${typ}`);
    const issuing = { ...deps, issuer: tenant.issuer };
    const claims = await clientAuthentication.verifyAssertion(tx, issuing, token, { name: client.id, client });
    await clientAuthentication.useUpAssertion(tx, client.id, claims, refuse('it was used before'));
    return { subject: principal, notAfter: claims.exp as number, handles: { fs: context.fs } };
  } catch (cause) {
    if (!(cause instanceof Refusal || cause instanceof TypeError)) throw cause;
    throw refuse(cause);
  }
}

function refuse(cause: unknown): Refusal {
  return new Refusal('invalid_request', 'subject_token: is not signed by this client for this issuer', { cause });
}
