import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { Refusal } from '@mono-auth/core/errors';
import { pageItemsDefault } from '@mono-auth/core/limits';
import type { Keyring } from '@mono-auth/keys';
import { validatePolicies } from '@mono-auth/policy-engine';
import { type PolicyService, PolicyVersionSchema } from '@mono-auth/proto/monoauth/policy/v1/policy';
import { readTenant } from '@mono-auth/tenants';
import { callOf } from '@mono-auth/transport';
import { checkAccess } from './check-access.ts';
import type { PolicySource } from './policy-source.ts';
import type { PolicyVersion } from './policy-version.ts';
import { publishDraft } from './publish-draft.ts';
import type { RoleDeps } from './roles/role-deps.ts';
import { roleMethods } from './roles/role-methods.ts';
import { signSnapshot } from './sign-snapshot.ts';
import { selectVersions } from './store.ts';

export interface PolicyServiceDeps extends RoleDeps {
  readonly keys: Pick<Keyring, 'signer'>;
  readonly policies: PolicySource;
}

export function policyService(deps: PolicyServiceDeps) {
  const { database, runtime } = deps;
  return {
    ...roleMethods(deps),
    validateDraft(request) {
      const checked = validatePolicies(request.policyText);
      return { valid: checked.valid, errors: checked.valid ? [] : checked.errors };
    },
    async publishDraft(request, context) {
      const call = callOf(runtime, context);
      const draft = { policyText: request.policyText, basedOn: Number(request.basedOn) };
      const version = await database.forTenant(call.caller.tenantId, (tx) => publishDraft(tx, call, deps.feed, draft));
      return { version: toProto(version) };
    },
    async listVersions(request, context) {
      const { caller } = callOf(runtime, context);
      const before = request.pageToken ? readVersion(request.pageToken) : undefined;
      const size = request.pageSize || pageItemsDefault;
      // One more than the page: whether there is a next one.
      const found = await database.forTenant(caller.tenantId, (tx) => selectVersions(tx, before, size + 1));
      const page = found.slice(0, size);
      const nextPageToken = found.length > size ? String(page.at(-1)?.version) : '';
      return { versions: page.map(toProto), nextPageToken };
    },
    async getSnapshot(_request, context) {
      const { caller } = callOf(runtime, context);
      const signer = await deps.keys.signer(caller.tenantId, 'feed');
      const { policy, tenant } = await database.forTenant(caller.tenantId, async (tx) => ({
        policy: await deps.policies.currentIn(tx),
        tenant: await readTenant(tx),
      }));
      const statement = await signSnapshot(signer, tenant, policy, runtime.nowMs());
      return { statement, snapshot: policy.snapshotBytes };
    },
    async check(request, context) {
      const call = callOf(runtime, context);
      const { allowed, decisionId, policyVersion, reasons } = await database.forDecision(call.caller.tenantId, (tx) =>
        checkAccess(deps.policies, tx, call, {
          principal: request.principal,
          action: request.action,
          resource: { type: request.resourceType, id: request.resourceId },
          context: request.context ?? {},
        }),
      );
      return { allowed, decisionId, policyVersion: BigInt(policyVersion), reasons };
    },
  } satisfies ServiceImpl<typeof PolicyService>;
}

function toProto({ id, version, hash, publishedAtMs, publishedBy }: PolicyVersion) {
  return create(PolicyVersionSchema, {
    id,
    version: BigInt(version),
    hash,
    publishedAt: timestampFromMs(publishedAtMs),
    publishedBy,
  });
}

function readVersion(pageToken: string): number {
  if (!/^[1-9]\d{0,14}$/.test(pageToken)) throw new Refusal('invalid_request', 'page_token: not one of this list');
  return Number(pageToken);
}
