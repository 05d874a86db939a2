/** A reference to an entity, as in `User::"usr_1"`. */
export class EntityRef {
  readonly type: string;
  readonly id: string;

  constructor(type: string, id: string) {
    this.type = type;
    this.id = id;
  }

  is(other: EntityRef): boolean {
    return this.id === other.id && this.type === other.type;
  }
}

/** A value of Cedar. A long is a bigint: it has 64 bits, of which a number of JavaScript holds 53. */
export type Value = boolean | bigint | string | EntityRef | ValueSet | ValueRecord;
export type ValueRecord = ReadonlyMap<string, Value>;

/** Why a policy cannot be evaluated: a type error, an attribute that is not there, an overflow. */
export class EvaluationError extends Error {}

/** Members up to which walking a set is quicker than indexing it first. */
const walkedMax = 8;

/** A set: neither order nor repetition counts. */
export class ValueSet {
  readonly #members: readonly Value[];
  #index: { readonly plain: ReadonlySet<Value>; readonly nested: ReadonlySet<string> } | undefined;

  constructor(members: readonly Value[]) {
    this.#members = members;
  }

  get isEmpty(): boolean {
    return this.#members.length === 0;
  }

  has(value: Value): boolean {
    if (this.#members.length <= walkedMax) return this.#members.some((member) => equal(member, value));
    this.#index ??= indexOf(this.#members);
    return typeof value === 'object' ? this.#index.nested.has(keyOf(value)) : this.#index.plain.has(value);
  }

  every(test: (member: Value) => boolean): boolean {
    return this.#members.every(test);
  }

  some(test: (member: Value) => boolean): boolean {
    return this.#members.some(test);
  }

  hasAllOf(other: ValueSet): boolean {
    return other.every((member) => this.has(member));
  }

  key(): string {
    return `[${[...new Set(this.#members.map(keyOf))].sort().join()}]`;
  }
}

/** `==`: values of two types are not equal, and comparing them is no error. */
export function equal(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (a instanceof EntityRef) return b instanceof EntityRef && a.is(b);
  if (a instanceof ValueSet) return b instanceof ValueSet && a.hasAllOf(b) && b.hasAllOf(a);
  if (!(b instanceof Map) || a.size !== b.size) return false;
  for (const [name, value] of a) {
    const other = b.get(name);
    if (other === undefined || !equal(value, other)) return false;
  }
  return true;
}

function indexOf(members: readonly Value[]): { plain: ReadonlySet<Value>; nested: ReadonlySet<string> } {
  return {
    plain: new Set(members.filter((member) => typeof member !== 'object')),
    nested: new Set(members.filter((member) => typeof member === 'object').map(keyOf)),
  };
}

/** One text for equal values and another for every other value. */
function keyOf(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object') return String(value);
  if (value instanceof EntityRef) return `${JSON.stringify(value.type)}::${JSON.stringify(value.id)}`;
  if (value instanceof ValueSet) return value.key();
  const members = [...value].map(([name, member]) => `${JSON.stringify(name)}:${keyOf(member)}`);
  return `{${members.sort().join()}}`;
}
