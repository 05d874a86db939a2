import { nowSeconds, type Runtime } from '@mono-auth/core/runtime';
import type { Tenant } from '@mono-auth/tenants';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

/** A client of a test, with the key that it made itself. */
export interface TestClient {
  readonly id: string;
  readonly tenant: Tenant;
  readonly key: ClientKey;
}

export interface ClientKey {
  readonly publicJwk: JWK;
  sign(typ: string, claims: Record<string, unknown>): Promise<string>;
}

export async function makeClientKey(runtime: Runtime): Promise<ClientKey> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const kid = runtime.uuid();
  return {
    publicJwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' },
    sign: (typ, claims) =>
      new SignJWT({ iat: nowSeconds(runtime), exp: nowSeconds(runtime) + 60, jti: runtime.uuid(), ...claims })
        .setProtectedHeader({ alg: 'ES256', kid, typ })
        .sign(privateKey),
  };
}

/** The parameters of a client assertion (RFC 7523 §2.2); `change` bends its claims. */
export async function assertClient(
  { id, tenant, key }: TestClient,
  change: Record<string, unknown> = {},
): Promise<{ client_assertion_type: string; client_assertion: string }> {
  const claims = { iss: id, sub: id, aud: tenant.issuer, ...change };
  return {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await key.sign('client-authentication+jwt', claims),
  };
}
