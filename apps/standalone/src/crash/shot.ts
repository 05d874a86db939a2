import { type CrashScene, patiently, Unanswered } from './scene.ts';

/**
 * One use of a step, aimed: prepared, not sent. `Answer` is what its caller gets.
 * `repeat` is what a caller does who got no answer, and may do who got one; `hold` looks at what is there in the end.
 */
export interface Aim<Answer> {
  send(): Promise<Answer>;
  repeat(first: Answer | undefined): Promise<Answer>;
  /** @throws AssertionError unless the effect is there, exactly once. */
  hold(answer: Answer, first: Answer | undefined): Promise<void>;
}

/** A shot without the type of its answer. */
export interface Shot {
  readonly answered: boolean;
  fire(): Promise<void>;
  /** After the restart. */
  settle(): Promise<void>;
}

export interface Step {
  /** An RPC as in `monoauth.x.v1.XService/Method`, or what else the story does. */
  readonly name: string;
  /** The kill comes at a random moment of this span, milliseconds. */
  readonly windowMs: number;
  /** How many are under way at once. */
  readonly shots: number;
  aim(scene: CrashScene, label: string): Promise<Shot>;
}

/** Most steps are answered within 10 to 50 ms when several are under way. */
const windowMsDefault = 60;
const shotsDefault = 3;

export function step<Answer>(
  name: string,
  aim: (scene: CrashScene, label: string) => Promise<Aim<Answer>>,
  { windowMs = windowMsDefault, shots = shotsDefault }: { windowMs?: number; shots?: number } = {},
): Step {
  return { name, windowMs, shots, aim: async (scene, label) => shotOf(await aim(scene, label)) };
}

function shotOf<Answer>(aim: Aim<Answer>): Shot {
  let first: Answer | undefined;
  return {
    get answered() {
      return first !== undefined;
    },
    async fire() {
      first = await aim.send().catch((error: unknown) => {
        if (error instanceof Unanswered) return undefined;
        throw error;
      });
    },
    async settle() {
      await aim.hold(await patiently(() => aim.repeat(first)), first);
    },
  };
}
