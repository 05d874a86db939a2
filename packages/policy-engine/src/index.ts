export type { EngineDecision } from './decision.ts';
export { defaultPolicyText } from './default-policies.ts';
export { type EngineOptions, openEngine, type PolicyEngine } from './engine.ts';
export type { DecisionRequest, JsonValue } from './request.ts';
export { policySchemaVersion } from './schema.ts';
export type { Mismatch } from './shadow-check.ts';
export { decodeSnapshot, encodeSnapshot, hashSnapshot, type PolicySnapshot } from './snapshot.ts';
export { type Validation, validatePolicies } from './validate-policies.ts';
