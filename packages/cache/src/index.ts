export { createEphemeral, type EphemeralDeps } from './create-ephemeral.ts';
export type { Ephemeral } from './ephemeral.ts';
export { createPostgresEphemeral } from './ephemeral-postgres.ts';
export { createNonces, createNonceWindow, type Nonces, type NonceWindow } from './nonces.ts';
export { RedisSettingError } from './redis-link.ts';
export { redisUrlFault } from './redis-url.ts';
export { sweepEphemeral } from './sweep-ephemeral.ts';
export type { EphemeralState } from './switching-ephemeral.ts';
