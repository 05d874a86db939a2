import type { ServiceImpl } from '@connectrpc/connect';
import { parseId } from '@mono-auth/core/ids';
import { pageItemsDefault } from '@mono-auth/core/limits';
import type { ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import type { RevocationDeps } from '@mono-auth/revocation';
import { callOf } from '@mono-auth/transport';
import { selectRegistrationTokens } from '../store/registration-tokens.ts';
import { environmentFromProto, registrationTokenToProto } from '../to-proto.ts';
import { createRegistrationToken } from './create-registration-token.ts';
import { revokeRegistrationToken } from './revoke-registration-token.ts';

/** The RPC face of initial access tokens. */
export function registrationTokenMethods({ revocation }: { readonly revocation: RevocationDeps }) {
  const { database, runtime } = revocation;
  return {
    async createRegistrationToken(request, context) {
      const call = callOf(runtime, context);
      const input = {
        label: request.label,
        environment: environmentFromProto(request.environment),
        ttlSeconds: request.ttlSeconds,
        idempotencyKey: request.idempotencyKey || undefined,
      };
      const { token, text } = await database.forTenant(call.caller.tenantId, (tx) =>
        createRegistrationToken(tx, call, input),
      );
      return { registrationToken: registrationTokenToProto(token), token: text ?? '' };
    },
    async listRegistrationTokens(request, context) {
      const { caller } = callOf(runtime, context);
      const after = request.pageToken ? parseId('iat', request.pageToken, 'page_token') : undefined;
      const size = request.pageSize || pageItemsDefault;
      // One more than the page: whether there is a next one.
      const found = await database.forTenant(caller.tenantId, (tx) => selectRegistrationTokens(tx, after, size + 1));
      const page = found.slice(0, size);
      const nextPageToken = found.length > size ? (page.at(-1)?.id ?? '') : '';
      return { registrationTokens: page.map(registrationTokenToProto), nextPageToken };
    },
    async revokeRegistrationToken(request, context) {
      const call = callOf(runtime, context);
      const id = parseId('iat', request.id, 'id');
      const token = await database.forTenant(call.caller.tenantId, (tx) => revokeRegistrationToken(tx, call, id));
      return { registrationToken: registrationTokenToProto(token) };
    },
  } satisfies Partial<ServiceImpl<typeof ClientService>>;
}
