export { type ControlPlane, createControlPlane } from './compose.ts';
export { type Config, ConfigError, type Listen, readConfig } from './config.ts';
