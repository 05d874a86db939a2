import { realpathSync } from 'node:fs';
import pg from 'pg';
import { superuser } from './cluster.ts';
import { SupervisorError } from './supervisor-error.ts';

/** The server is on this machine: one that needs longer for a connection is not ready. */
const connectTimeoutMs = 5_000;

/** invalid_password and invalid_authorization_specification (PostgreSQL, appendix A). */
const authenticationErrors = new Set(['28P01', '28000']);

/**
 * True when the server of this very cluster answers on the port; false while it starts, stops or is another one.
 * @throws SupervisorError when it refuses our password
 */
export async function probeServer(port: number, password: string, clusterDir: string): Promise<boolean> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: superuser,
    password,
    database: 'postgres',
    connectionTimeoutMillis: connectTimeoutMs,
  });
  // An idle client whose server goes away says so by an event, which must not end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ data_directory: string }>('show data_directory');
    return rows[0] !== undefined && realpathSync(rows[0].data_directory) === realpathSync(clusterDir);
  } catch (error) {
    if (authenticationErrors.has((error as { code?: string }).code ?? '')) {
      throw new SupervisorError('the embedded PostgreSQL was made with another superuser password', { cause: error });
    }
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}
