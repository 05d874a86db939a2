import { createRequire } from 'node:module';
import { Refusal } from '@mono-auth/core/errors';
import { schemaText } from './schema.ts';

type Cedar = typeof import('@cedar-policy/cedar-wasm/nodejs');

/** Name under which each instance holds the schema. */
export const schemaName = 'mono';

const require = createRequire(import.meta.url);
let instance: Cedar | undefined;
let life = 0;

/**
 * Runs `use` on Cedar. `life` changes when the instance does: what was prepared in an earlier one is gone.
 *
 * A WebAssembly instance that ran out of stack answers nothing ever again, so it is replaced: one policy must not end
 * the decisions of every tenant in this process. The limits of complexity.ts keep it from coming to that.
 * @throws Refusal `invalid_request` when Cedar gave up.
 */
export function withCedar<T>(use: (cedar: Cedar, life: number) => T): T {
  instance ??= load();
  try {
    return use(instance, life);
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    instance = undefined;
    throw new Refusal('invalid_request', 'policy: too complex to be evaluated', { cause });
  }
}

function load(): Cedar {
  const path = require.resolve('@cedar-policy/cedar-wasm/nodejs');
  delete require.cache[path];
  const cedar: Cedar = require(path);
  const parsed = cedar.preparseSchema(schemaName, schemaText);
  if (parsed.type === 'failure') throw new TypeError(`the shipped schema: ${parsed.errors[0]?.message}`);
  life++;
  return cedar;
}
