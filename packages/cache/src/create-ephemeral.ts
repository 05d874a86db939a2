import type { Runtime } from '@mono-auth/core/runtime';
import type { Database } from '@mono-auth/database';
import type { Ephemeral } from './ephemeral.ts';
import { createPostgresEphemeral } from './ephemeral-postgres.ts';
import { createRedisEphemeral } from './ephemeral-redis.ts';
import { type EphemeralState, SwitchingEphemeral } from './switching-ephemeral.ts';

export interface EphemeralDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  /** `redis://user:password@host:port/db`, `rediss://` for TLS; without it, Postgres serves alone. */
  readonly redisUrl?: string | undefined;
  /** Told which store serves, first and whenever that changes. */
  readonly onStateChange?: (state: EphemeralState) => void;
}

/**
 * The store of an installation. A Redis that does not answer now holds nothing up: it is used once it does.
 * @throws RedisSettingError, one line that begins with MONO_REDIS_URL, when the URL or the store that it names is at fault.
 */
export async function createEphemeral(deps: EphemeralDeps): Promise<Ephemeral> {
  const { database, runtime, redisUrl, onStateChange = () => {} } = deps;
  const postgres = createPostgresEphemeral({ database, runtime });
  if (redisUrl === undefined) return postgres;
  const redis = createRedisEphemeral({ url: redisUrl, runtime });
  const ephemeral = new SwitchingEphemeral({ redis, postgres, runtime, onStateChange });
  try {
    await ephemeral.start();
  } catch (error) {
    await ephemeral.close();
    throw error;
  }
  return ephemeral;
}
