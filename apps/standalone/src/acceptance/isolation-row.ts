import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { systemRuntime } from '@mono-auth/core/runtime';
import { postRpc } from './plain-client.ts';
import type { Handles, TenantScene } from './tenant-scene.ts';

/** What is tried with one RPC. Messages are in the contract's JSON form. */
export interface IsolationRow {
  /** A call that succeeds in its own tenant. */
  readonly own: (here: TenantScene) => JsonObject | Promise<JsonObject>;
  /** The answer to `own` names things of its tenant, so that the search for them is known to find something. */
  readonly shows?: true;
  /** Calls that name something of another tenant: refused as if it had never been. */
  readonly foreign?: (there: Handles, here: TenantScene) => readonly JsonObject[] | Promise<readonly JsonObject[]>;
  /** How `foreign` is refused where a specification says so; `not_found` otherwise. */
  readonly refusedAs?: 'invalid_request';
  /** Calls that name something of another tenant and are answered, without a word of that tenant. */
  readonly silent?: (there: TenantScene) => readonly JsonObject[];
}

/** A name that no other call of this run uses. */
export const freshName = () => `n-${systemRuntime.uuid()}`;

/** A call that must succeed, by the owner of the tenant. */
export async function call(here: TenantScene, method: string, message: JsonValue): Promise<JsonObject> {
  const { status, body } = await postRpc(here.issuer, method, message, here.ownerToken);
  if (status !== 200) throw new Error(`${method}: ${status} ${JSON.stringify(body)}`);
  return body;
}
