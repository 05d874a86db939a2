import { Refusal } from '@mono-auth/core/errors';
import { parseScope } from '@mono-auth/core/token-claims';
import type { Form } from './form.ts';

/** Most values in one request: more than there are permissions, with room for those of services. */
const scopeValuesMax = 100;

/** The requested scope (RFC 6749 §3.3); undefined when none was named. @throws Refusal `invalid_scope`. */
export function readScope(form: Form): string[] | undefined {
  const text = form.get('scope');
  if (text === undefined) return undefined;
  const values = parseScope(text);
  if (!values || values.length === 0 || values.length > scopeValuesMax) {
    throw new Refusal('invalid_scope', `scope: 1 to ${scopeValuesMax} values separated by spaces`);
  }
  return values;
}
