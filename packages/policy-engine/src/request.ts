import { Refusal } from '@mono-auth/core/errors';
import { accessAction, builtInActions, contextAttributes, principalTypes } from './schema.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

export interface DecisionRequest {
  /** Principal URI, as in `user:usr_…`. */
  readonly principal: string;
  /** `token.issue`, `token.exchange`, or an operation of a service such as `orders:read`. */
  readonly action: string;
  readonly resource: { readonly type: string; readonly id: string };
  /** `scope` and `actors` (outermost first) are lists of strings; `audience`, `client_id`, `tenant_role` are strings. */
  readonly context: Readonly<Record<string, JsonValue>>;
}

/** A request that is valid under the schema, in the words of the schema. */
export interface PlainRequest {
  readonly principal: { readonly type: string; readonly id: string };
  readonly action: string;
  /** An entity of type `Resource`; `kind` is its attribute. */
  readonly resource: { readonly id: string; readonly kind: string };
  readonly context: ReadonlyMap<string, string | readonly string[]>;
}

/**
 * Reads a request as the schema has it. What is of another type denies before any policy is asked: a forbid would fail on
 * it and be passed over. Text that is not well-formed Unicode has no encoding in which Cedar could be asked for it.
 * @throws Refusal `invalid_request` naming the member.
 */
export function readRequest(request: DecisionRequest): PlainRequest {
  const { type, id } = request.resource;
  const [kind, operation] = [textOf('resource.type', type), textOf('action', request.action)];
  return {
    principal: principalOf(textOf('principal', request.principal)),
    action: builtInActions.includes(operation) ? operation : accessAction,
    resource: { kind, id: `${kind}/${textOf('resource.id', id)}` },
    context: contextOf(operation, request.context),
  };
}

function principalOf(uri: string): PlainRequest['principal'] {
  const colon = uri.indexOf(':');
  const scheme = uri.slice(0, Math.max(colon, 0));
  const type = Object.hasOwn(principalTypes, scheme) ? principalTypes[scheme] : undefined;
  const id = uri.slice(colon + 1);
  if (type === undefined || id === '') throw new Refusal('invalid_request', 'principal: of no known kind');
  return { type, id };
}

function contextOf(operation: string, context: DecisionRequest['context']): PlainRequest['context'] {
  const seen = new Map<string, string | readonly string[]>([['operation', operation]]);
  for (const [name, type] of contextAttributes) {
    const value = Object.hasOwn(context, name) ? context[name] : undefined;
    if (value === undefined || value === null) continue;
    seen.set(name, type === 'String' ? textOf(`context.${name}`, value) : textsOf(`context.${name}`, value));
  }
  const actor = seen.get('actors')?.[0];
  if (actor !== undefined) seen.set('actor', actor);
  return seen;
}

function textsOf(name: string, value: JsonValue): readonly string[] {
  if (!Array.isArray(value)) throw new Refusal('invalid_request', `${name}: a list of strings is expected`);
  return Array.from(value, (member) => textOf(name, member));
}

function textOf(name: string, value: JsonValue): string {
  if (typeof value !== 'string') throw new Refusal('invalid_request', `${name}: a string is expected`);
  if (!value.isWellFormed()) throw new Refusal('invalid_request', `${name}: not well-formed Unicode`);
  return value;
}
