import type { ClientId } from '@mono-auth/core/ids';
import type { Environment } from '../manifest.ts';

/** An API of the tenant: the audience of tokens (RFC 8707). */
export interface Resource {
  /** Absolute URI without fragment; never free again. */
  readonly identifier: string;
  readonly name: string;
  readonly environment: Environment;
  /** Empty: none. */
  readonly product: string;
  /** Scope values that exist there; empty: whatever its clients have. */
  readonly scopes: string[];
  /** 0: no limit of its own. */
  readonly accessTokenTtlSeconds: number;
  /** Only tokens that are bound to a key (RFC 9449). */
  readonly dpopRequired: boolean;
  /** The audience of a token for which nobody names one. */
  readonly isDefault: boolean;
  /** The client that it is, if any. */
  readonly clientId: ClientId | undefined;
  readonly retired: boolean;
  readonly version: number;
  readonly createdAtMs: number;
}
