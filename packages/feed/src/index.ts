export type { RevocableClaims, TokenRefusal } from '@mono-auth/feed-engine';
export type { FeedKind, NewEntry } from './append-entries.ts';
export { Feed, type FeedDeps, type WakeUps } from './feed.ts';
export { type FeedSseDeps, feedSseRoute } from './feed-sse-route.ts';
export type { RecordEvent } from './register-subscriber.ts';
export { type FeedServiceDeps, feedService } from './service.ts';
export type { SubscriberRow } from './store.ts';
