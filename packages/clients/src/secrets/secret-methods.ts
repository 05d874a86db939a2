import type { ServiceImpl } from '@connectrpc/connect';
import { parseId } from '@mono-auth/core/ids';
import type { ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import type { RevocationDeps } from '@mono-auth/revocation';
import { callOf } from '@mono-auth/transport';
import { selectLivingSecrets } from '../store/secrets.ts';
import { clientToProto, secretToProto } from '../to-proto.ts';
import { retireSecret } from './retire-secret.ts';
import { rotateSecret } from './rotate-secret.ts';

/** The RPC face of secrets. */
export function secretMethods({ revocation }: { readonly revocation: RevocationDeps }) {
  const { database, runtime } = revocation;
  return {
    async rotateSecret(request, context) {
      const call = callOf(runtime, context);
      const input = {
        id: parseId('cli', request.id, 'id'),
        overlapSeconds: request.overlapSeconds,
        ttlSeconds: request.ttlSeconds,
        idempotencyKey: request.idempotencyKey || undefined,
      };
      const { secret, text } = await database.forTenant(call.caller.tenantId, (tx) => rotateSecret(tx, call, input));
      return { secret: secretToProto(secret), clientSecret: text ?? '' };
    },
    async retireSecret(request, context) {
      const call = callOf(runtime, context);
      const input = { id: parseId('cli', request.id, 'id'), secretId: parseId('sec', request.secretId, 'secret_id') };
      return database.forTenant(call.caller.tenantId, async (tx) => {
        const client = await retireSecret(tx, call, input);
        return { client: clientToProto(client, await selectLivingSecrets(tx, [client.id], runtime.nowMs())) };
      });
    },
  } satisfies Partial<ServiceImpl<typeof ClientService>>;
}
