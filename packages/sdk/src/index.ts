export { type EnrolledRecord, type EnrollHostOptions, enrollHost } from './enroll-host.ts';
export type { FeedStore, StoredFeed } from './feed-store.ts';
export { FeedSubscriber, type FeedSubscriberOptions } from './feed-subscriber.ts';
export type { EnrolledHost, HostRecord, HostStore, PendingRenewal } from './host-store.ts';
export {
  type ExchangeRequest,
  type IssuedToken,
  MachineCredentials,
  type MachineCredentialsOptions,
  type TokenRequest,
} from './machine-credentials.ts';
export { type HeldDecision, PolicyHolder, type PolicyHolderOptions } from './policy-holder.ts';
export { type ProductAccess, productAccess } from './product-access.ts';
export { type RenewHostOptions, renewHost } from './renew-host.ts';
export { refusalOf, refusalOfOAuth } from './rpc-errors.ts';
export { createRpcTransport, type Fetch, type RpcTransportOptions, type TokenSource } from './rpc-transport.ts';
export { createVerifier, type RevocationSource, type Verifier, type VerifierOptions } from './verifier.ts';
