import type { Client } from '@mono-auth/clients';
import type { Principal } from '@mono-auth/core/principal';
import { readTenant, type TenantRecord } from '@mono-auth/tenants';
import { readAttestation } from './attestation/read-attestation.ts';
import { authenticate } from './authenticate-in-transaction.ts';
import type { TokenDeps } from './deps.ts';
import { readProof } from './dpop/read-proof.ts';
import { useUpProof } from './dpop/use-up-proof.ts';
import type { FormRequest } from './grant-session.ts';

/** The client at an endpoint that grants nothing (RFC 7009 §2.1, RFC 7662 §2.1), in a transaction of its own. @throws Refusal */
export async function authenticateCaller(
  deps: TokenDeps,
  request: FormRequest,
): Promise<{ readonly client: Client; readonly principal: Principal; readonly tenant: TenantRecord }> {
  // A DPoP proof counts here only where it stands in for another of the instance; tokens are bound to nothing here.
  const { attestation: headers } = request;
  const proof = headers && headers.pop === undefined ? await readProof(deps, request) : undefined;
  const shown = headers && (await readAttestation(deps, { ...request, headers }, proof));
  return deps.remoteKeys.withKeys(() =>
    deps.database.forTenant(request.tenant.id, async (tx) => {
      const tenant = await readTenant(tx);
      const { client, principal } = await authenticate(deps, tx, request, shown);
      if (proof) await useUpProof(tx, proof);
      return { client, principal, tenant };
    }),
  );
}
