import { newId } from '@mono-auth/core/ids';
import { permissions } from '@mono-auth/core/permissions';
import type { Runtime } from '@mono-auth/core/runtime';
import { systemCaller, type Tenant } from '@mono-auth/tenants';
import { createRpcFetch, type RpcOptions } from '@mono-auth/transport';

/** Calls `service/method` as somebody of the tenant who may do everything. @throws Error with the answer of a refusal. */
export type RpcCall = (tenant: Tenant, method: string, message: object) => Promise<Record<string, unknown>>;

export function openRpcBench(runtime: Runtime, routes: RpcOptions['routes']): RpcCall {
  const rpc = createRpcFetch({
    routes,
    authenticate: async (_, { tenant }) => ({
      ...systemCaller(tenant as Tenant, newId(runtime, 'req')),
      scope: new Set(Object.keys(permissions)),
    }),
    record: async () => {},
    isPlatform: () => false,
    onRefusal: () => {},
  });
  return async (tenant, method, message) => {
    const path = `/monoauth.${method}`;
    const init = { method: 'POST', body: JSON.stringify(message), headers: { 'content-type': 'application/json' } };
    const ingress = { requestId: newId(runtime, 'req'), ip: '192.0.2.9', tenant };
    const response = await rpc(new Request(`${tenant.issuer}/rpc${path}`, init), path, ingress);
    const answer = (await response?.json()) as Record<string, unknown>;
    if (!response?.ok) throw new Error(`${method}: ${JSON.stringify(answer)}`);
    return answer;
  };
}
