/** A Redis with a replica behind one address, as far as harming it goes. */
interface Pair {
  readonly primary: {
    command(...args: string[]): Promise<string>;
    kill(): Promise<void>;
    start(): Promise<void>;
  };
  failOver(): Promise<void>;
}

interface Harm {
  /** Before anything is sent. */
  before?(redis: Pair): Promise<unknown>;
  strike(redis: Pair): Promise<unknown>;
  /** After it was looked at what is there. */
  after?(redis: Pair): Promise<unknown>;
}

/** What happens to Redis. Dead, it stays dead until everything has been asked again; all else it goes on from by itself. */
export const redisHarms = {
  'redis, dead': { strike: ({ primary }) => primary.kill(), after: ({ primary }) => primary.start() },
  'redis, emptied': { strike: ({ primary }) => primary.command('flushall') },
  'redis, back from an old snapshot': {
    before: ({ primary }) => primary.command('save'),
    async strike({ primary }) {
      await primary.kill();
      await primary.start();
    },
  },
  'redis, failed over': { strike: (redis) => redis.failOver() },
} as const satisfies Record<string, Harm>;

export type RedisVictim = keyof typeof redisHarms;

export function harmOf(victim: RedisVictim): Harm {
  return redisHarms[victim];
}
