import type { Runtime } from '@mono-auth/core/runtime';
import type { NoteSecretUse } from '../secrets/match-secret.ts';
import type { RemoteKeys } from './remote-keys.ts';

/** What it takes to authenticate a client of one tenant. */
export interface AuthenticationDeps {
  readonly runtime: Runtime;
  /** Of the tenant: the one audience of an assertion. */
  readonly issuer: string;
  readonly remoteKeys: Pick<RemoteKeys, 'keysOf'>;
  readonly noteSecretUse: NoteSecretUse;
}
