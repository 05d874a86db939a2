import type { JsonObject } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import type { TokenService } from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import { callOf } from '@mono-auth/transport';
import type { BearerDeps } from './deps.ts';
import { readActiveToken } from './introspect-token.ts';

export function tokenService(deps: BearerDeps) {
  return {
    async introspect(request, context) {
      const { caller } = callOf(deps.runtime, context);
      const tenant = await deps.tenants.byId(caller.tenantId);
      const claims = tenant && (await readActiveToken(deps, tenant, request.token));
      // A Struct is JSON; the claims came out of JSON and are plain values.
      return claims ? { active: true, claims: { ...claims } as unknown as JsonObject } : { active: false };
    },
  } satisfies ServiceImpl<typeof TokenService>;
}
