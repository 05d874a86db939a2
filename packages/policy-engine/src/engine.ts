import type { CedarValueJson, EntityJson, EntityUid } from '@cedar-policy/cedar-wasm/nodejs';
import { hex } from '@mono-auth/core/encoding';
import { asRefusal, Refusal } from '@mono-auth/core/errors';
import { schemaName, withCedar } from './cedar.ts';
import { readPolicySet } from './policy-set.ts';
import { builtInActions, contextAttributes, policySchemaVersion, principalTypes } from './schema.ts';
import { encodeSnapshot, hashSnapshot, type PolicySnapshot } from './snapshot.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

export interface DecisionRequest {
  /** Principal URI, as in `user:usr_…`. */
  readonly principal: string;
  /** `token.issue`, `token.exchange`, or an operation of a service such as `orders:read`. */
  readonly action: string;
  readonly resource: { readonly type: string; readonly id: string };
  /** `scope` and `actors` (outermost first) are lists of strings; `audience`, `client_id`, `tenant_role` are strings. */
  readonly context: Readonly<Record<string, JsonValue>>;
}

export interface EngineDecision {
  readonly allowed: boolean;
  /** Names of the policies that decided; empty on a default deny. */
  readonly reasons: string[];
  /** Why no policy could decide. Always a denial. */
  readonly errors: string[];
}

export interface PolicyEngine {
  decide(request: DecisionRequest): EngineDecision;
}

/** Policy sets that Cedar holds parsed; the rest is parsed again on demand, which takes milliseconds. */
const preparedMax = 256;
/** Which set each slot of the current instance holds, least recently used first. Cedar offers no way to free one. */
const slots = new Map<string, string>();
let slotsLife = 0;

/**
 * Decides by one snapshot: a forbid outweighs every permit, what nothing permits is denied, and so is whatever cannot be
 * evaluated as it stands.
 * @throws Refusal `invalid_request` when the snapshot's schema is not known here or its policies do not parse.
 */
export function openEngine(snapshot: PolicySnapshot): PolicyEngine {
  if (snapshot.schemaVersion !== policySchemaVersion) {
    throw new Refusal('invalid_request', `policy schema version ${snapshot.schemaVersion} is not known here`);
  }
  const policies = Object.fromEntries(readPolicySet(snapshot.policyText).map(({ name, text }) => [name, text]));
  const digest = hex(hashSnapshot(encodeSnapshot(snapshot)));
  prepare(digest, policies);
  return {
    decide(request) {
      try {
        return evaluate(request, () => prepare(digest, policies));
      } catch (error) {
        return deny(asRefusal(error).detail);
      }
    },
  };
}

function evaluate(request: DecisionRequest, slotOf: () => string): EngineDecision {
  const principal = principalOf(request.principal);
  if (!principal) return deny('principal: of no known kind');
  const resource = resourceOf(request.resource);
  const slot = slotOf();
  const answer = withCedar((cedar) =>
    cedar.statefulIsAuthorized({
      principal,
      action: { type: 'Action', id: builtInActions.includes(request.action) ? request.action : 'access' },
      resource: resource.uid,
      context: contextOf(request),
      entities: [resource],
      preparsedPolicySetId: slot,
      preparsedSchemaName: schemaName,
      // A context of the wrong type would make a forbid fail and be passed over: it denies instead.
      validateRequest: true,
    }),
  );
  if (answer.type === 'failure') return deny(...answer.errors.map(({ message }) => message));
  const { decision, diagnostics } = answer.response;
  if (diagnostics.errors.length > 0) {
    return deny(...diagnostics.errors.map(({ policyId, error }) => `${policyId}: ${error.message}`));
  }
  return { allowed: decision === 'allow', reasons: diagnostics.reason, errors: [] };
}

function deny(...errors: string[]): EngineDecision {
  return { allowed: false, reasons: [], errors };
}

/** The slot in which Cedar holds this set, parsed into it when it is not there. */
function prepare(digest: string, policies: Record<string, string>): string {
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

function principalOf(uri: string): EntityUid | undefined {
  const colon = uri.indexOf(':');
  const scheme = uri.slice(0, Math.max(colon, 0));
  const type = Object.hasOwn(principalTypes, scheme) ? principalTypes[scheme] : undefined;
  const id = uri.slice(colon + 1);
  return type !== undefined && id !== '' ? { type, id } : undefined;
}

function resourceOf({ type, id }: DecisionRequest['resource']): EntityJson & { uid: EntityUid } {
  return { uid: { type: 'Resource', id: `${type}/${id}` }, attrs: { kind: type }, parents: [] };
}

function contextOf({ action, context }: DecisionRequest): Record<string, CedarValueJson> {
  const seen: Record<string, CedarValueJson> = { operation: action };
  for (const name of contextAttributes) {
    const value = Object.hasOwn(context, name) ? context[name] : undefined;
    if (value !== undefined && value !== null) seen[name] = value as CedarValueJson;
  }
  const actor = Array.isArray(context.actors) ? context.actors[0] : undefined;
  if (actor !== undefined) seen.actor = actor as CedarValueJson;
  return seen;
}
