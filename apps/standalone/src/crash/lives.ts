import { systemRuntime } from '@mono-auth/core/runtime';
import { ask, type CrashScene, Unanswered } from './scene.ts';
import type { ServerProcess, Victim } from './server-process.ts';
import type { Shot, Step } from './shot.ts';

/** Steps that are under way at the same kill. */
const stepsPerLife = 2;
/** Between two writings, so that the worker has something to seal and the database something else to do. */
const writePauseMs = 5;

/** From one kill to the next. */
export interface Life<V extends string> {
  readonly victim: V;
  readonly steps: readonly Step[];
  readonly names: string;
}

/** mulberry32: evenly spread, and the same for the same seed. */
export function createRandom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Every step once a round, in an order that is drawn; the victims take turns. */
export function planLives<V extends string>(
  random: () => number,
  plan: { readonly steps: readonly Step[]; readonly rounds: number; readonly victims: readonly V[] },
): Life<V>[] {
  const { victims } = plan;
  const shuffled = Array.from({ length: plan.rounds }, () => plan.steps)
    .flat()
    .map((step) => ({ step, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ step }) => step);
  const turn = Math.floor(random() * victims.length);
  return Array.from({ length: Math.ceil(shuffled.length / stepsPerLife) }, (_, at) => {
    const together = shuffled.slice(at * stepsPerLife, (at + 1) * stepsPerLife);
    return lifeOf(victims[(at + turn) % victims.length] as V, together);
  });
}

export function lifeOf<V extends string>(victim: V, steps: readonly Step[]): Life<V> {
  return { victim, steps, names: steps.map(({ name }) => name.replace(/^.*\./, '')).join(' and ') };
}

/** Aims every shot of a life; nothing is sent yet. */
export function prepare(scene: CrashScene, life: Life<string>, label: string): Promise<Shot[]> {
  const prepared = life.steps.flatMap((step, row) =>
    Array.from({ length: step.shots }, (_, shot) => step.aim(scene, `${label}-${row}-${shot}`)),
  );
  return Promise.all(prepared);
}

/** When, in milliseconds from the start of a life, its shots are fired at the latest, and when its victim is struck. */
export interface Moments {
  readonly firedMsMax: number;
  readonly strikeMs: number;
}

/** Fires each shot at a random moment, strikes, and waits until each has its answer or none. */
export async function fire(
  random: () => number,
  shots: readonly Shot[],
  { firedMsMax, strikeMs }: Moments,
  strike: () => unknown,
): Promise<void> {
  const fired = shots.map(async (shot) => {
    await systemRuntime.sleep(random() * firedMsMax);
    await shot.fire();
  });
  await systemRuntime.sleep(strikeMs);
  await Promise.all([strike(), ...fired]);
}

/** Kills the worker of its own in the middle of a transaction, while evidence is written for it to seal. */
export async function strikeSealing(server: ServerProcess, scene: CrashScene): Promise<void> {
  let struck = false;
  const writing = (async () => {
    while (!struck) {
      const message = { hostName: systemRuntime.uuid() };
      await ask(scene, 'machines.v1.MachineService/CreateInvite', message).catch(unlessRefused);
      await systemRuntime.sleep(writePauseMs);
    }
  })();
  try {
    await server.whenSealing();
    server.strike('worker' satisfies Victim);
  } finally {
    struck = true;
    await writing;
  }
}

function unlessRefused(error: unknown): void {
  if (!(error instanceof Unanswered)) throw error;
}
