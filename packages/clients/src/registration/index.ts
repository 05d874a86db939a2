export { registrationEndpoint } from './registration-endpoint.ts';
export { sweepRegistrations } from './sweep-registrations.ts';
