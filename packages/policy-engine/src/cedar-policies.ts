import { Refusal } from '@mono-auth/core/errors';
import { schemaName, withCedar } from './cedar.ts';
import { deny, type EngineDecision } from './decision.ts';
import type { PlainRequest } from './request.ts';

/** Policy sets that Cedar holds parsed; the rest is parsed again on demand, which takes milliseconds. */
const preparedMax = 256;
/** Which set each slot of the current instance holds, least recently used first. Cedar offers no way to free one. */
const slots = new Map<string, string>();
let slotsLife = 0;

/** Decisions of Cedar itself by one set. */
export interface CedarPolicies {
  /** @throws Refusal `invalid_request` when Cedar gave up. */
  decide(request: PlainRequest): EngineDecision;
  /** Has the set parsed before somebody waits for a decision. @throws Refusal `invalid_request` when it does not parse. */
  prepare(): void;
}

/** @param digest names the set: what Cedar holds parsed under it is shared. */
export function cedarPolicies(digest: string, policies: Readonly<Record<string, string>>): CedarPolicies {
  return {
    prepare: () => void prepare(digest, policies),
    decide(request) {
      const slot = prepare(digest, policies);
      const resource = { type: 'Resource', id: request.resource.id };
      const answer = withCedar((cedar) =>
        cedar.statefulIsAuthorized({
          principal: { ...request.principal },
          action: { type: 'Action', id: request.action },
          resource,
          context: Object.fromEntries([...request.context].map(([name, value]) => [name, jsonOf(value)])),
          entities: [{ uid: resource, attrs: { kind: request.resource.kind }, parents: [] }],
          preparsedPolicySetId: slot,
          preparsedSchemaName: schemaName,
          validateRequest: true,
        }),
      );
      if (answer.type === 'failure') return deny(...answer.errors.map(({ message }) => message));
      const { decision, diagnostics } = answer.response;
      if (diagnostics.errors.length > 0) {
        return deny(...diagnostics.errors.map(({ policyId, error }) => `${policyId}: ${error.message}`));
      }
      return { allowed: decision === 'allow', reasons: diagnostics.reason, errors: [] };
    },
  };
}

function jsonOf(value: string | readonly string[]): string | string[] {
  return typeof value === 'string' ? value : [...value];
}

/** The slot in which Cedar holds this set, parsed into it when it is not there. */
function prepare(digest: string, policies: Readonly<Record<string, string>>): string {
  return withCedar((cedar, life) => {
    if (life !== slotsLife) {
      slots.clear();
      slotsLife = life;
    }
    const held = slots.get(digest);
    const slot = held ?? (slots.size < preparedMax ? `slot${slots.size}` : leastRecent().slot);
    if (held === undefined) {
      const parsed = cedar.preparsePolicySet(slot, { staticPolicies: policies });
      if (parsed.type === 'failure') throw new Refusal('invalid_request', `policy_text: ${parsed.errors[0]?.message}`);
      // Only now: a set that does not parse leaves its slot to whom it belongs.
      if (slots.size === preparedMax) slots.delete(leastRecent().digest);
    }
    slots.delete(digest);
    slots.set(digest, slot);
    return slot;
  });
}

function leastRecent(): { digest: string; slot: string } {
  const [[digest, slot]] = slots as unknown as [[string, string]];
  return { digest, slot };
}
