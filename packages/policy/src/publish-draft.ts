import { append } from '@mono-auth/audit';
import { base64url } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import { encodeSnapshot, hashSnapshot, policySchemaVersion, validatePolicies } from '@mono-auth/policy-engine';
import type { PolicyVersion } from './policy-version.ts';
import { insertVersion, selectCurrentVersion } from './store.ts';

/** Errors of a draft that a refusal repeats; ValidateDraft tells them all. */
const errorsToldMax = 5;

/**
 * Publishes a policy text as the next version and tells everybody who holds the former one.
 * @throws Refusal `invalid_request` with the text's errors, `stale_version` unless `basedOn` is the current version.
 */
export async function publishDraft(
  tx: TenantTx,
  call: Call,
  feed: Pick<Feed, 'append'>,
  draft: { readonly policyText: string; readonly basedOn: number },
): Promise<PolicyVersion> {
  const checked = validatePolicies(draft.policyText);
  if (!checked.valid) {
    throw new Refusal('invalid_request', `policy_text: ${checked.errors.slice(0, errorsToldMax).join('\n')}`);
  }
  const published = await publishVersion(tx, call, draft.policyText, draft.basedOn);
  // Last: it holds the feed's head until the end of the transaction.
  const { version, hash } = published;
  await feed.append(tx, [{ kind: 'policy', payload: { v: 1, version, hash: base64url(hash) } }]);
  return published;
}

/** Stores a valid text as the version after `basedOn`. @throws Refusal `stale_version`. */
export async function publishVersion(
  tx: TenantTx,
  call: Call,
  policyText: string,
  basedOn: number,
): Promise<PolicyVersion> {
  const current = (await selectCurrentVersion(tx))?.version ?? 0;
  if (current !== basedOn) throw stale(current);
  const version = current + 1;
  const snapshot = encodeSnapshot({ tenantId: tx.tenantId, version, policyText, schemaVersion: policySchemaVersion });
  const published: PolicyVersion = {
    id: newId(call.runtime, 'pol'),
    version,
    hash: hashSnapshot(snapshot),
    publishedBy: call.caller.principal,
    publishedAtMs: call.runtime.nowMs(),
  };
  if (!(await insertVersion(tx, published, policyText, snapshot))) throw stale(version);
  await append(tx, call, {
    type: 'policy.published',
    object: { kind: 'policy', id: published.id },
    policyVersion: version,
    detail: { version, hash: base64url(published.hash) },
  });
  return published;
}

function stale(current: number): Refusal {
  return new Refusal('stale_version', `based_on: the current version is ${current}`);
}
