import type { ClientId } from '@mono-auth/core/ids';

/** An approved client that people sign in to, as the manifest in force has it: a row of the view that Better Auth reads. */
export interface AppClient {
  readonly id: ClientId;
  /** What it calls itself: its id, or the URL of its metadata document. */
  readonly clientId: string;
  readonly name: string;
  readonly environment: string;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  readonly grantTypes: readonly string[];
  readonly clientUri: string | undefined;
}

/** An API that tokens are made for. */
export interface Resource {
  readonly identifier: string;
  readonly name: string;
  readonly environment: string;
  readonly isDefault: boolean;
}

/** The host that a client says it belongs to; undefined when it says none. */
export function hostOf({ clientId, clientUri }: Pick<AppClient, 'clientId' | 'clientUri'>): string | undefined {
  const named = clientId.startsWith('https:') ? clientId : clientUri;
  return named === undefined ? undefined : URL.parse(named)?.host;
}
