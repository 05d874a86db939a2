import type { PlainRequest } from './request.ts';
import { EntityRef, type Value, type ValueRecord, ValueSet } from './value.ts';

/**
 * All that a policy can look at. The resource alone has attributes; no entity has parents or tags, because the engine
 * hands none over to Cedar either. A schema that brings them needs more here, and more of the compiler.
 */
export interface Circumstances {
  readonly principal: EntityRef;
  readonly action: EntityRef;
  readonly resource: EntityRef;
  readonly resourceAttributes: ValueRecord;
  readonly context: ValueRecord;
}

export function circumstancesOf({ principal, action, resource, context }: PlainRequest): Circumstances {
  const seen = new Map<string, Value>();
  for (const [name, value] of context) seen.set(name, typeof value === 'string' ? value : new ValueSet(value));
  return {
    principal: new EntityRef(principal.type, principal.id),
    action: new EntityRef('Action', action),
    resource: new EntityRef('Resource', resource.id),
    resourceAttributes: new Map([['kind', resource.kind]]),
    context: seen,
  };
}
