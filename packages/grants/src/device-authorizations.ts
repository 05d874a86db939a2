/** The device flow (RFC 8628), from its start to its use. */
export {
  countUserCodeGuess,
  decideDeviceAuthorization,
  findDeviceAuthorization,
} from './decide-device-authorization.ts';
export { pollDeviceAuthorization, takeDeviceAuthorization } from './poll-device-authorization.ts';
export { startDeviceAuthorization } from './start-device-authorization.ts';
