import { append, hasEvent } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import { newId, type RequestId, type TenantId } from '@mono-auth/core/ids';
import type { Caller } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import { issuerOf, parseSlug } from '@mono-auth/core/tenant-slug';
import type { Database, TenantTx } from '@mono-auth/database';
import type { TenantDirectory } from './directory.ts';
import {
  activateOwnTenant,
  insertTenant,
  lockProvisioning,
  selectTenantByIdempotencyKey,
  selectTenantBySlug,
  updateTenantStatus,
} from './store.ts';
import { systemCaller, type Tenant, type TenantRecord } from './tenant.ts';

export interface ProvisionInput {
  readonly slug: string;
  readonly displayName: string;
  readonly ownerEmail: string;
  readonly ownerPassword: string;
  readonly idempotencyKey?: string | undefined;
}

/**
 * What a capability prepares and checks in a new tenant. Every part may run again after a crash and must then find its
 * work done. `check` runs on the finished tenant; when it throws, the tenant is not opened.
 */
export interface ProvisionStep {
  readonly name: string;
  /** In one transaction of the tenant. */
  prepare?(tx: TenantTx, tenant: Tenant): Promise<void>;
  /** After that transaction, for what has transactions of its own (Better Auth). */
  finish?(tenant: Tenant, input: ProvisionInput): Promise<void>;
  check?(tenant: Tenant, input: ProvisionInput): Promise<void>;
  /** Whether this finished tenant was asked for with this input: what a repeated idempotency key stands for. */
  matches?(tenant: Tenant, input: ProvisionInput): Promise<boolean>;
}

export interface ProvisionDeps {
  readonly database: Database;
  readonly directory: TenantDirectory;
  readonly steps: readonly ProvisionStep[];
  readonly baseUrl: string;
}

/** Who provisions: an operator, or nobody when the installation makes its own platform. */
export interface ProvisionCall {
  readonly runtime: Runtime;
  readonly requestId: RequestId;
  readonly caller: Caller | undefined;
}

export interface Provisioned {
  readonly tenant: Tenant;
  readonly steps: readonly { step: string; durationMs: number }[];
}

/**
 * Makes a tenant ready for use in one call; resumed by repeating it with the same idempotency key or slug and owner.
 * @throws Refusal `already_exists` when the slug belongs to a tenant that is ready; `invalid_request` when the idempotency
 * key was used for another tenant.
 */
export async function provisionTenant(
  deps: ProvisionDeps,
  call: ProvisionCall,
  input: ProvisionInput,
): Promise<Provisioned> {
  const slug = parseSlug(input.slug, 'slug');
  const { tenant, ready } = await claim(deps, call, { ...input, slug });
  if (ready) {
    for (const step of deps.steps) if (step.matches && !(await step.matches(tenant, input))) throw otherRequest();
    await recordForCaller(deps, call, tenant);
    return { tenant, steps: [] };
  }
  const took = new Map<string, number>();
  const timed = async (step: string, work: () => Promise<void> | undefined): Promise<void> => {
    const started = call.runtime.monotonicMs();
    await work();
    took.set(step, (took.get(step) ?? 0) + call.runtime.monotonicMs() - started);
  };
  for (const step of deps.steps) {
    await timed(step.name, async () => {
      const { prepare } = step;
      if (prepare) {
        await deps.database.forTenant(tenant.id, async (tx) => {
          // A repetition at the same time waits, and finds the work done.
          await lockProvisioning(tx, tenant.id);
          await prepare.call(step, tx, tenant);
        });
      }
      await step.finish?.(tenant, input);
    });
  }
  await activate(deps, call, tenant);
  try {
    for (const step of deps.steps) await timed(step.name, () => step.check?.({ ...tenant, status: 'active' }, input));
  } catch (error) {
    await deps.database.forPlatform('close a tenant that fails its check', (tx) =>
      updateTenantStatus(tx, tenant.id, 'provisioning'),
    );
    deps.directory.forget(tenant);
    throw error;
  }
  await recordForCaller(deps, call, tenant);
  return {
    tenant: { ...tenant, status: 'active' },
    steps: [...took].map(([step, durationMs]) => ({ step, durationMs })),
  };
}

/** Takes the slug, or finds the tenant that an earlier, interrupted or repeated call has made. */
async function claim(
  deps: ProvisionDeps,
  call: ProvisionCall,
  input: ProvisionInput,
): Promise<{ tenant: Tenant; ready: boolean }> {
  const fresh: TenantRecord = {
    id: newId(call.runtime, 'ten'),
    slug: input.slug,
    displayName: input.displayName,
    status: 'provisioning',
    epoch: 1,
    incarnation: 1,
    keyVersion: 1,
    createdAtMs: call.runtime.nowMs(),
  };
  const record = await deps.database.forPlatform('provision a tenant', async (tx) => {
    const made = await insertTenant(tx, fresh, input.idempotencyKey);
    if (made) return made;
    const known = input.idempotencyKey ? await selectTenantByIdempotencyKey(tx, input.idempotencyKey) : undefined;
    if (known && (known.slug !== input.slug || known.displayName !== input.displayName)) throw otherRequest();
    const taken = known ?? (await selectTenantBySlug(tx, input.slug));
    if (!taken || (!known && taken.status !== 'provisioning')) {
      throw new Refusal('already_exists', 'slug: is taken');
    }
    return taken;
  });
  const tenant = { ...record, issuer: issuerOf(deps.baseUrl, record.slug) };
  return { tenant, ready: record.status !== 'provisioning' };
}

/** Opens the tenant; its own log opens with that, in the same transaction. */
async function activate(deps: ProvisionDeps, { runtime, requestId }: ProvisionCall, tenant: Tenant): Promise<void> {
  const caller = systemCaller(tenant, requestId);
  await deps.database.forTenant(tenant.id, async (tx) => {
    if (await activateOwnTenant(tx)) await append(tx, { runtime, caller }, provisioned(tenant));
  });
  deps.directory.forget(tenant);
}

/** The operator's tenant records who asked: once, also when a crash came between that and the opening. */
async function recordForCaller(deps: ProvisionDeps, { runtime, caller }: ProvisionCall, tenant: Tenant): Promise<void> {
  if (!caller) return;
  await deps.database.forTenant(caller.tenantId, async (tx) => {
    const event = provisioned(tenant);
    await lockProvisioning(tx, tenant.id);
    if (!(await hasEvent(tx, event.type, event.object.id))) await append(tx, { runtime, caller }, event);
  });
}

function provisioned({ id, slug }: { readonly id: TenantId; readonly slug: string }) {
  return { type: 'tenant.provisioned', object: { kind: 'tenant', id }, detail: { slug } };
}

function otherRequest(): Refusal {
  return new Refusal('invalid_request', 'idempotency_key: was used for another tenant');
}
