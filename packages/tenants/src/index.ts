export { baseUrlFault, isLoopback } from './base-url.ts';
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
export { tenantService } from './service.ts';
export { insertMember as addMember, selectMemberRole as memberRole } from './store.ts';
export { systemCaller, type Tenant, type TenantRecord, type TenantStatus } from './tenant.ts';
