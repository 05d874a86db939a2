/** The part of oidc-provider's interface that is used here: the package has no types of its own. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http';
  import type { JWK } from 'jose';

  export interface Client {
    readonly clientId: string;
    grantTypeAllowed(grantType: string): boolean;
  }

  export interface ResourceServerInfo {
    readonly scope: string;
    readonly audience: string;
    readonly accessTokenFormat: 'jwt';
    readonly accessTokenTTL: number;
    readonly jwt: { readonly sign: { readonly alg: 'ES256' } };
  }

  export interface GrantContext {
    readonly oidc: { readonly client: Client; readonly params: Readonly<Record<string, string | undefined>> };
    body: unknown;
  }

  export interface AccessToken {
    resourceServer: object;
    scope: string | undefined;
    readonly expiration: number;
    readonly tokenType: string;
    save(): Promise<string>;
  }

  interface AccessTokenParts {
    readonly client: Client;
    readonly accountId: string;
    readonly scope: string;
    readonly gty: string;
  }

  export interface Configuration {
    readonly clients: readonly object[];
    readonly jwks: { readonly keys: readonly JWK[] };
    readonly scopes: readonly string[];
    readonly clientAuthMethods: readonly string[];
    readonly features: object;
    extraTokenClaims(context: GrantContext): object | undefined;
  }

  export default class Provider {
    constructor(issuer: string, configuration: Configuration);
    readonly AccessToken: new (
      parts: AccessTokenParts,
    ) => AccessToken;
    readonly ResourceServer: new (
      identifier: string,
      info: ResourceServerInfo,
    ) => object;
    registerGrantType(
      name: string,
      handler: (context: GrantContext) => Promise<void>,
      parameters: readonly string[],
      repeatable?: readonly string[],
    ): void;
    callback(): (request: IncomingMessage, response: ServerResponse) => void;
  }

  export const errors: {
    readonly InvalidRequest: new (description: string) => Error;
    readonly InvalidGrant: new (description: string) => Error;
    readonly InvalidTarget: new (description?: string) => Error;
    readonly InvalidScope: new (description: string, scope: string) => Error;
  };
}
