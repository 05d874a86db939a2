import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import type { GrantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import { cutOff } from './cut-off.ts';
import { type BoundsInput, type IssuerBounds, narrowedFields, readBounds, requireClients } from './issuer-bounds.ts';
import { updateIssuerBounds } from './store/issuers.ts';
import { requireIssuer } from './suspend-issuer.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';

export interface UpdateIssuerInput extends BoundsInput {
  readonly id: GrantId;
  /** The one that the change is based on. */
  readonly version: number;
}

/**
 * Replaces what an issuer is trusted for. A change that takes anything away ends whatever was issued from its assertions
 * until now: a token does not say by which key, purpose or sign-in it came about, so none is known to be within the new
 * bounds. Assertions that still count make new ones. The same change once more, its answer lost, changes nothing.
 * @throws Refusal `invalid_request` naming the field; `not_found` for an issuer or client that is not there; `stale_version`
 * when the issuer has changed since `version`.
 */
export async function updateIssuer(
  tx: TenantTx,
  call: Call,
  feed: Pick<Feed, 'append'>,
  input: UpdateIssuerInput,
  { allowLoopback }: { readonly allowLoopback: boolean },
): Promise<TrustedIssuer> {
  const issuer = await requireIssuer(tx, input.id);
  const bounds = readBounds(input, { allowLoopback, multiTenant: issuer.multiTenant });
  await requireClients(tx, bounds.clientIds);
  if (issuer.version === input.version + 1 && areAlike(issuer, bounds)) return issuer;
  if (issuer.version !== input.version) {
    throw new Refusal('stale_version', `the issuer is at version ${issuer.version}`);
  }
  const after: TrustedIssuer = { ...issuer, ...bounds, version: issuer.version + 1 };
  const narrowed = narrowedFields(issuer, bounds);
  await updateIssuerBounds(tx, after);
  await append(tx, call, {
    type: 'issuer.updated',
    object: { kind: 'issuer', id: issuer.id },
    detail: {
      ...{ version: after.version, purposes: after.purposes.join(' '), scope: after.scopes.join(' ') },
      narrowed: narrowed.join(' '),
    },
  });
  if (narrowed.length > 0) await cutOff(feed, tx, call, issuer.id, `issuer narrowed: ${narrowed.join(', ')}`);
  return after;
}

/** Whether neither takes anything away that the other has. */
function areAlike(issuer: TrustedIssuer, bounds: IssuerBounds): boolean {
  return (
    issuer.name === bounds.name &&
    narrowedFields(issuer, bounds).length === 0 &&
    narrowedFields(bounds, issuer).length === 0
  );
}
