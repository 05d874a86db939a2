export { defaultPolicyText } from './default-policies.ts';
export { type DecisionRequest, type EngineDecision, type JsonValue, openEngine, type PolicyEngine } from './engine.ts';
export { policySchemaVersion } from './schema.ts';
export { decodeSnapshot, encodeSnapshot, hashSnapshot, type PolicySnapshot } from './snapshot.ts';
export { type Validation, validatePolicies } from './validate-policies.ts';
