import { EntityRef, type Value } from './value.ts';

/** A form that the compiler does not know, or not exactly so: Cedar itself decides by that set. */
export class NotCompiled extends Error {}

/** The members of an object that has these and no others: a member more could change what the others mean. */
export function fields(json: unknown, ...names: readonly string[]): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new NotCompiled('an object');
  if (Object.keys(json).length !== names.length || !names.every((name) => Object.hasOwn(json, name))) {
    throw new NotCompiled(Object.keys(json).join());
  }
  return json as Record<string, unknown>;
}

/** The name and body of an expression. */
export function soleMember(json: unknown): [string, unknown] {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new NotCompiled('an object');
  const [member, ...more] = Object.entries(json);
  if (!member || more.length > 0) throw new NotCompiled(Object.keys(json).join());
  return member;
}

export function nameOf(json: unknown): string {
  if (typeof json !== 'string') throw new NotCompiled('a name');
  return json;
}

export function entityOf(json: unknown): EntityRef {
  const { type, id } = fields(json, 'type', 'id');
  return new EntityRef(nameOf(type), nameOf(id));
}

/** A literal. A long beyond 53 bits has come out of JSON as its neighbour, so it is not compiled. */
export function literalOf(json: unknown): Value {
  if (typeof json === 'boolean' || typeof json === 'string') return json;
  if (typeof json === 'number') {
    if (!Number.isSafeInteger(json)) throw new NotCompiled('a long beyond 53 bits');
    return BigInt(json);
  }
  return entityOf(fields(json, '__entity').__entity);
}
