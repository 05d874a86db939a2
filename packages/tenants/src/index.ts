import * as signingKeys from './move-keys.ts';

export { createTenantDirectory, type TenantDirectory } from './directory.ts';
export {
  type ProvisionCall,
  type ProvisionDeps,
  type Provisioned,
  type ProvisionInput,
  type ProvisionStep,
  provisionTenant,
} from './provision-tenant.ts';
export { advanceEpoch, readTenant } from './read-tenant.ts';
export type { RotationDeps } from './rotate-signing-key.ts';
export type { MetadataDocumentClients, SecurityPolicy } from './security-policy.ts';
export { tenantService } from './service.ts';
export { insertMember as addMember, selectMemberRole as memberRole } from './store.ts';
export { systemCaller, type Tenant, type TenantRecord, type TenantStatus } from './tenant.ts';
export { readSecurityPolicy } from './update-security-policy.ts';
export { signingKeys };
