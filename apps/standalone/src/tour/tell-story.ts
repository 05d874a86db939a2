import type { Scene, Step } from './scene.ts';
import { delegationSteps } from './steps-delegation.ts';
import { evidenceSteps } from './steps-evidence.ts';
import { machineSteps } from './steps-machine.ts';
import { tenantSteps } from './steps-tenant.ts';

/** The one story that must always be possible to tell, in its order. */
export const story: readonly Step[] = [...tenantSteps, ...machineSteps, ...delegationSteps, ...evidenceSteps];

/**
 * Tells the story step by step.
 * @returns whether every step held; the first that does not ends it.
 */
export async function tellStory(scene: Scene, print: (line: string) => void): Promise<boolean> {
  try {
    for (const [index, { title, tell }] of story.entries()) {
      print(`${index + 1}/${story.length} ${title}`);
      try {
        for (const line of await tell(scene)) print(`      ${line}`);
      } catch (error) {
        print(`      BROKEN: ${(error as Error).message}`);
        return false;
      }
    }
    return true;
  } finally {
    await scene.made.orders?.stop();
  }
}
