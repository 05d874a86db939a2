import { deriveDatabaseSecrets, migrate } from '@mono-auth/database';
import { readKek } from '@mono-auth/keys';
import { ConfigError, readConfig } from '../config.ts';

/** `npm run migrate [-- --dry-run]`: brings the database of MONO_DATABASE_URL to the newest schema. */
async function main(): Promise<number> {
  const dryRun = process.argv.includes('--dry-run');
  try {
    const { MONO_DATABASE_URL: adminUrl } = readConfig(process.env);
    if (!adminUrl) throw new ConfigError('MONO_DATABASE_URL: is not set; allowed: postgres://…');
    const names = await migrate({ adminUrl, secrets: deriveDatabaseSecrets(readKek(process.env)), dryRun });
    const verb = dryRun ? 'would run' : 'ran';
    process.stdout.write(names.map((name) => `${verb} ${name}\n`).join('') || 'the schema is up to date\n');
    return 0;
  } catch (error) {
    process.stderr.write(`migrate: ${(error as Error).message}\n`);
    return error instanceof ConfigError ? 2 : 1;
  }
}

process.exitCode = await main();
