import type { IdentityPool } from '@mono-auth/database';
import { withClient } from './store.ts';

/** The rows of one statement, run on a connection that is bound to the pool's tenant. */
export async function query<Row extends object>(
  pool: IdentityPool,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const { rows } = await withClient(pool, (client) => client.query<Row>(text, [...values]));
  return rows;
}
