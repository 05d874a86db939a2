import * as accessRules from './roles/access.ts';

export { type Decision, decide } from './decide.ts';
export { type CurrentPolicy, createPolicySource, type PolicySource } from './policy-source.ts';
export { policyProvisionStep } from './provision-policy.ts';
export { readTokenAccess, type TokenAccess } from './roles/read-token-access.ts';
export type { RoleDeps } from './roles/role-deps.ts';
export { roleParticipant } from './roles/role-participant.ts';
export { type PolicyServiceDeps, policyService } from './service.ts';
export { selectAssignment as findRoleAssignment } from './store/assignments.ts';
export { accessRules };
