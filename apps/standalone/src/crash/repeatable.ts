import type { JsonObject } from '@bufbuild/protobuf';
import { hold } from '../tour/scene.ts';
import { ask, type CrashScene } from './scene.ts';
import { type Step, step } from './shot.ts';
import { onlyEvent } from './steps-tenant.ts';

/** What one shot asks for, and the object that the evidence is about. */
interface Asked {
  readonly request: JsonObject;
  /** Undefined: what the answer names. */
  readonly objectId?: string;
}

/** Calls of one service that may be repeated as they are: each leaves one event of its type about its object, however often it is sent. */
export function repeatableOf(service: string, objectOf: (answer: JsonObject) => string) {
  return (
    method: string,
    event: string,
    prepare: (scene: CrashScene, label: string) => Promise<Asked>,
    objectIn: (answer: JsonObject) => string = objectOf,
  ): Step =>
    step<string>(`monoauth.${service}/${method}`, async (scene, label) => {
      const { request, objectId } = await prepare(scene, label);
      const send = async () => objectIn(await ask(scene, `${service}/${method}`, request));
      return {
        send,
        repeat: send,
        async hold(id, first) {
          hold(first === undefined || first === id, `${method} answers the same object again`);
          await onlyEvent(scene, event, objectId ?? id);
        },
      };
    });
}
