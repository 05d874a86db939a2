import { clientAuthentication } from '@mono-auth/clients';
import type { TenantId } from '@mono-auth/core/ids';
import { uuidOf } from '@mono-auth/core/ids';
import { nowSeconds } from '@mono-auth/core/runtime';
import { readClientAttestation } from '@mono-auth/federation/client-attestation';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeClientKey } from '../client-key.ts';
import { proveInstance } from './prove-instance.ts';

const runtime = new FakeRuntime();
let db: TestDatabase;
let tenantId: TenantId;

beforeAll(async () => {
  db = await openTestDatabase();
  tenantId = await db.createTenantRow('acme');
});
afterAll(() => db.close());

const setPolicy = (clientAttestation: boolean) =>
  db.admin(
    `insert into mono.security_policies (tenant_id, policy, version, updated_at) values ($1, $2, 1, $3)
     on conflict (tenant_id) do update set policy = excluded.policy`,
    [uuidOf(tenantId), { clientAttestation }, new Date(runtime.nowMs())],
  );

test('what the tenant puts out of force between the door and the decision is out of force in the decision', async () => {
  const [attester, instance] = [await makeClientKey(runtime), await makeClientKey(runtime)];
  const iat = nowSeconds(runtime);
  const claims = {
    iss: 'https://attester.example',
    sub: 'cli_x',
    iat,
    exp: iat + 60,
    cnf: { jwk: instance.publicJwk },
  };
  const attestation = readClientAttestation(await attester.sign('oauth-client-attestation+jwt', claims));
  const remoteKeys = new clientAuthentication.RemoteKeys(runtime, { allowLoopback: false });
  const shown = { attestation, method: 'attest_jwt_client_auth', jkt: 'x', pop: undefined } as const;
  const proof = proveInstance({ runtime, remoteKeys }, shown);
  const causeOf = (error: unknown) => (error as Error).cause;
  const prove = () => db.database.forDecision(tenantId, (tx) => proof.prove(tx, undefined)).catch(causeOf);
  await setPolicy(true);
  expect(await prove()).toBe('its issuer is unknown, or trusted for other things');
  await setPolicy(false);
  expect(await prove()).toBe('the tenant does not have it');
});
