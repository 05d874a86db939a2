import { EntityRef, EvaluationError, equal, type Value, ValueSet } from './value.ts';

/** Longs have 64 bits, two's complement; what does not fit is an error and never wraps. */
const longMin = -(2n ** 63n);
const longMax = 2n ** 63n - 1n;

/** Operators of two operands that are both evaluated, left first, by their name in Cedar's JSON form. */
export const binaryOperators: Readonly<Record<string, (left: Value, right: Value) => Value>> = {
  '==': equal,
  '!=': (left, right) => !equal(left, right),
  '<': (left, right) => long(left) < long(right),
  '<=': (left, right) => long(left) <= long(right),
  '>': (left, right) => long(left) > long(right),
  '>=': (left, right) => long(left) >= long(right),
  '+': (left, right) => inRange(long(left) + long(right)),
  '-': (left, right) => inRange(long(left) - long(right)),
  '*': (left, right) => inRange(long(left) * long(right)),
  in: (left, right) => isIn(entity(left), right),
  contains: (left, right) => set(left).has(right),
  containsAll: (left, right) => set(left).hasAllOf(set(right)),
  containsAny: containsAny,
  hasTag: (left, right) => {
    entity(left);
    text(right);
    return false;
  },
  getTag: (left, right) => {
    const { type, id } = entity(left);
    throw new EvaluationError(`${type}::"${id}" has no tag "${text(right)}"`);
  },
};

export const unaryOperators: Readonly<Record<string, (operand: Value) => Value>> = {
  '!': (operand) => !bool(operand),
  neg: (operand) => inRange(-long(operand)),
  isEmpty: (operand) => set(operand).isEmpty,
};

/** No entity has a parent under the schemas there are: to be in one is to be that one. */
function isIn(left: EntityRef, right: Value): boolean {
  if (right instanceof EntityRef) return left.is(right);
  // Every member is looked at before any counts: a member of the wrong type is an error wherever it stands.
  set(right).every((member) => entity(member) !== undefined);
  return set(right).has(left);
}

function containsAny(left: Value, right: Value): boolean {
  const held = set(left);
  return set(right).some((member) => held.has(member));
}

export function bool(value: Value): boolean {
  if (typeof value !== 'boolean') throw wrongType('a bool', value);
  return value;
}

export function text(value: Value): string {
  if (typeof value !== 'string') throw wrongType('a string', value);
  return value;
}

export function entity(value: Value): EntityRef {
  if (!(value instanceof EntityRef)) throw wrongType('an entity', value);
  return value;
}

export function wrongType(expected: string, found: Value): EvaluationError {
  return new EvaluationError(`type error: ${expected} is expected, got ${typeName(found)}`);
}

function long(value: Value): bigint {
  if (typeof value !== 'bigint') throw wrongType('a long', value);
  return value;
}

function set(value: Value): ValueSet {
  if (!(value instanceof ValueSet)) throw wrongType('a set', value);
  return value;
}

function inRange(value: bigint): bigint {
  if (value < longMin || value > longMax) throw new EvaluationError('overflow: a long has 64 bits');
  return value;
}

function typeName(value: Value): string {
  if (typeof value === 'bigint') return 'a long';
  if (typeof value === 'boolean') return 'a bool';
  if (typeof value === 'string') return 'a string';
  if (value instanceof EntityRef) return `an entity of type ${value.type}`;
  return value instanceof ValueSet ? 'a set' : 'a record';
}
