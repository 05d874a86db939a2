import { newId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { defaultPolicyText } from '@mono-auth/policy-engine';
import { type ProvisionStep, systemCaller } from '@mono-auth/tenants';
import { publishVersion } from './publish-draft.ts';
import { selectCurrentVersion } from './store.ts';

/** Publishes the default set as version 1 of a new tenant. No feed entry: nobody holds a version that it replaces. */
export function policyProvisionStep(deps: { readonly runtime: Runtime }): ProvisionStep {
  return {
    name: 'policy',
    async prepare(tx, tenant) {
      if (await selectCurrentVersion(tx)) return;
      const caller = systemCaller(tenant, newId(deps.runtime, 'req'));
      await publishVersion(tx, { runtime: deps.runtime, caller }, defaultPolicyText, 0);
    },
  };
}
