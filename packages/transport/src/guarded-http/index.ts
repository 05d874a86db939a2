export { type GuardedAnswer, type GuardedOptions, getGuarded, postGuarded } from './guarded-http.ts';
export { isLoopbackAddress } from './special-addresses.ts';
