export { FakeRuntime } from './fake-runtime.ts';
export { needRedis, sharedRedisUrl, startTestRedis } from './redis.ts';
export { ageRedis, faultsOf, readRedis } from './redis-keys.ts';
export type { TestRedis, TestRedisPair } from './redis-server.ts';
export { loopbackTls } from './redis-tls.ts';
export { testKek } from './test-cluster.ts';
export { openTestDatabase, type TestDatabase } from './test-database.ts';
