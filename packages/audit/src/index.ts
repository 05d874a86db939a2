export { append } from './append-event.ts';
export type { AuditEvent } from './event.ts';
export { findEventsAbout, type RecordedEvent } from './find-events-about.ts';
export { auditProvisionStep } from './provision-log.ts';
export { readLogFile } from './read-log-file.ts';
export { recordDenial } from './record-denial.ts';
export { type LogDeps, sealTenant, unsealedTenants } from './seal-tenant.ts';
export { auditService } from './service.ts';
export { hasEvent } from './store.ts';
