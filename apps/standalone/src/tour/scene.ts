import type { HostRecord, HostStore, MachineCredentials } from '@mono-auth/sdk';
import type { JWK } from 'jose';
import type { OrdersService } from './orders-service.ts';
import type { Person } from './person.ts';

/** The story as it goes: each step finds what the ones before it have made. */
export interface Scene {
  readonly baseUrl: string;
  readonly operator: { readonly email: string; readonly password: string };
  /** Makes names of this telling its own, so that the tour can be told again on the same installation. */
  readonly telling: string;
  readonly made: Partial<Made>;
}

interface Made {
  tenant: { id: string; slug: string; issuer: string };
  owner: Person;
  serviceKey: JWK;
  serviceClientId: string;
  orders: OrdersService;
  invite: string;
  host: HostRecord & { enrolled: NonNullable<HostRecord['enrolled']> };
  hostCredentials: MachineCredentials;
  agentId: string;
  subjectToken: string;
  delegatedToken: string;
  bundle: Uint8Array;
  vkey: string;
}

/** One step of the story: does it, checks it, and answers the evidence. */
export interface Step {
  readonly title: string;
  tell(scene: Scene): Promise<readonly string[]>;
}

/** What a step needs of the ones before it. */
export function need<K extends keyof Made>(scene: Scene, name: K): Made[K] {
  const value = scene.made[name];
  if (value === undefined) throw new Error(`the story has no ${name} yet`);
  return value as Made[K];
}

/** @throws Error that says what does not hold. */
export function hold(holds: boolean, what: string): void {
  if (!holds) throw new Error(`does not hold: ${what}`);
}

/** A host's record for the length of the story. */
export function memoryStore(): HostStore {
  let kept: HostRecord | undefined;
  return {
    read: async () => kept,
    write: async (record) => {
      kept = record;
    },
  };
}

/** The resource that the story's service is. */
export function ordersResource(scene: Scene): string {
  return `https://orders.${scene.telling}.example`;
}
