import type pg from 'pg';

/**
 * What Kysely's Postgres dialect needs of a pool. Each connection handed out is bound to one tenant and is cleaned, or
 * destroyed, when it comes back. `query` on the pool itself is refused: it would run on a connection of unknown tenant.
 */
export interface IdentityPool {
  connect(): Promise<pg.PoolClient>;
  query(): never;
  end(): Promise<void>;
}

export function openIdentityPool(pool: pg.Pool, guard: (backendPid: number) => string): IdentityPool {
  return {
    async connect() {
      const client = await checkOutIdle(pool);
      try {
        await bind(client, guard);
      } catch (error) {
        client.release(true);
        throw error;
      }
      return bound(client);
    },
    query() {
      throw new TypeError('the identity pool has no query: connect() binds a connection to the tenant');
    },
    // The pool belongs to the Database, which closes it; one tenant's instance going away must not.
    end: async () => {},
  };
}

/** A client that came back inside a transaction, or inside a failed one, is destroyed and never lent again. */
async function checkOutIdle(pool: pg.Pool): Promise<pg.PoolClient> {
  for (;;) {
    const client = await pool.connect();
    if (client.getTransactionStatus() === 'I') return client;
    client.release(true);
  }
}

/** Always sets the tenant: a cached "this connection already is" would outlive whatever ran on it. */
async function bind(client: pg.PoolClient, guard: (backendPid: number) => string): Promise<void> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  await client.query("select set_config('app.tenant_id', $1, false)", [guard((rows[0] as { pid: number }).pid)]);
}

/** The same client, with a release that cleans before it gives back. */
function bound(client: pg.PoolClient): pg.PoolClient {
  let released = false;
  return new Proxy(client, {
    get(target, property) {
      if (property === 'release') {
        return (destroy?: Error | boolean) => {
          if (released) throw new TypeError('the connection was given back already');
          released = true;
          void giveBack(target, destroy);
        };
      }
      const value = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      // Asked at the call: a method taken earlier must not run on a connection that another tenant holds by now.
      return (...args: unknown[]) => {
        if (released) throw new TypeError('the connection was given back');
        return Reflect.apply(value, target, args);
      };
    },
  });
}

async function giveBack(client: pg.PoolClient, destroy: Error | boolean | undefined): Promise<void> {
  if (destroy || client.getTransactionStatus() !== 'I') return client.release(true);
  try {
    // Clears app.tenant_id, prepared statements, temporary state and advisory locks of the tenant before.
    await client.query('discard all');
    client.release();
  } catch {
    client.release(true);
  }
}
