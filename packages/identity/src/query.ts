import type { IdentityPool } from '@mono-auth/database';

/** Runs one statement on a connection that is bound to the pool's tenant. */
export async function query<Row extends object>(
  pool: IdentityPool,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const client = await pool.connect();
  try {
    return (await client.query<Row>(text, [...values])).rows;
  } finally {
    client.release();
  }
}
