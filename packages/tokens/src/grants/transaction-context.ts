import { Refusal } from '@mono-auth/core/errors';
import type { Form } from '../form.ts';

/** Longest context, characters: with its token it has to fit into a header of each call behind. */
const contextCharsMax = 2_048;
/** Deepest nesting. */
const depthMax = 4;

/** `request_context` or `request_details` (§7.1): a JSON object. @throws Refusal `invalid_request`. */
export function readContext(form: Form, name: string): Record<string, unknown> | undefined {
  const text = form.get(name);
  if (text === undefined) return undefined;
  const value = text.length > contextCharsMax ? undefined : parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depthOf(value) > depthMax) {
    throw new Refusal('invalid_request', `${name}: a JSON object of ${contextCharsMax} characters, ${depthMax} deep`);
  }
  return value as Record<string, unknown>;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}
