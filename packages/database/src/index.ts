export type { AuditRow } from './audit-row.ts';
export { Database, type DatabaseOptions, loginUrl } from './database.ts';
export { databaseUrlFault, whyUnreachable } from './database-url.ts';
export type { IdentityPool } from './identity-pool.ts';
export { type MigrateOptions, type Migration, migrate } from './migrate.ts';
export { type DatabaseSecrets, deriveDatabaseSecrets, logins } from './secrets.ts';
export { Json, type SqlValue } from './sql.ts';
export {
  type EmbeddedOptions,
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from './supervisor/start-embedded-postgres.ts';
export { sweepConsumed } from './sweep-consumed.ts';
export type { PlatformTx, TenantTx } from './tx.ts';
