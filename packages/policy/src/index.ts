export { type Decision, decide } from './decide.ts';
export { type CurrentPolicy, createPolicySource, type PolicySource } from './policy-source.ts';
export { policyProvisionStep } from './provision-policy.ts';
export { type PolicyServiceDeps, policyService } from './service.ts';
