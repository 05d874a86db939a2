import { type DescMethod, getOption, hasOption } from '@bufbuild/protobuf';
import type { Interceptor } from '@connectrpc/connect';
import { Refusal } from '@mono-auth/core/errors';
import { isPermission } from '@mono-auth/core/permissions';
import type { Caller } from '@mono-auth/core/principal';
import { type Access, access, Scope } from '@mono-auth/proto/monoauth/access/v1/access';
import { type Ingress, ingressOf, setCaller } from './ingress.ts';

export interface AccessEffects {
  /**
   * Proves who calls from the Authorization header.
   * @throws Refusal `not_authenticated`; `not_found` when the credential is of another tenant than the ingress.
   */
  authenticate(authorization: string | null, ingress: Ingress): Promise<Caller>;
  /** Writes the evidence of a refused call. Its failure refuses the call as well. */
  record(denial: Denial): Promise<void>;
  /** Whether this caller's tenant is the platform. */
  isPlatform(caller: Caller): boolean;
}

export interface Denial {
  readonly ingress: Ingress;
  readonly caller: Caller | undefined;
  /** Fully qualified, as in monoauth.feed.v1.FeedService/Watch. */
  readonly method: string;
  readonly permission: string;
  readonly refusal: Refusal;
}

/**
 * The access declaration of an RPC; undefined when it has none. `hasOption` first: `getOption` on a bare method
 * answers an empty message, which would read as "no permission needed".
 */
export function accessOf(method: DescMethod): Access | undefined {
  return hasOption(method, access) ? getOption(method, access) : undefined;
}

/** Law 4: reads the declaration, proves the caller, compares. Nothing behind it asks again. */
export function createAccessInterceptor(effects: AccessEffects): Interceptor {
  return (next) => async (request) => {
    const declared = accessOf(request.method);
    const method = `${request.service.typeName}/${request.method.name}`;
    if (!declared || !isComplete(declared)) {
      throw new Refusal('denied', 'this method declares no access and is refused', { cause: new Error(method) });
    }
    const ingress = ingressOf({ values: request.contextValues });
    if (ingress.refusal) {
      const { refusal } = ingress;
      // What may pass is no denial: whoever is told to come again was refused nothing.
      if (ingress.tenant && !refusal.row.retry) {
        await effects.record({ ingress, caller: undefined, method, permission: declared.permission, refusal });
      }
      throw refusal;
    }
    if (declared.scope === Scope.PUBLIC) return next(request);
    let caller: Caller | undefined;
    try {
      caller = await effects.authenticate(request.header.get('authorization'), ingress);
      permit(caller, declared, effects.isPlatform(caller));
    } catch (error) {
      if (error instanceof Refusal) {
        await effects.record({ ingress, caller, method, permission: declared.permission, refusal: error });
      }
      throw error;
    }
    setCaller(request.contextValues, caller);
    return next(request);
  };
}

function isComplete(declared: Access): boolean {
  if (declared.scope === Scope.PUBLIC || declared.scope === Scope.AUTHENTICATED) return declared.permission === '';
  return (declared.scope === Scope.TENANT || declared.scope === Scope.PLATFORM) && isPermission(declared.permission);
}

function permit(caller: Caller, declared: Access, isPlatform: boolean): void {
  if (declared.scope === Scope.AUTHENTICATED) return;
  if (declared.scope === Scope.PLATFORM && !isPlatform) {
    throw new Refusal('denied', 'this method belongs to the operators of the platform');
  }
  if (!caller.scope.has(declared.permission)) {
    throw new Refusal('denied', `this method needs the permission ${declared.permission}`);
  }
}
