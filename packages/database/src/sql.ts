/** A value that becomes a parameter of a statement, never part of its text. */
export type SqlValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | Date
  | Uint8Array
  | readonly SqlValue[]
  | Json;

/** Marks a value for a json or jsonb column. */
export class Json {
  readonly text: string;
  constructor(value: unknown) {
    this.text = JSON.stringify(value);
  }
}

export interface Statement {
  readonly text: string;
  readonly values: unknown[];
}

/** Builds a statement from a tagged template: each `${value}` is `$1`, `$2`, … */
export function statement(strings: TemplateStringsArray, values: readonly SqlValue[]): Statement {
  let text = strings[0] as string;
  for (let i = 1; i < strings.length; i++) text += `$${i}${strings[i]}`;
  return { text, values: values.map(parameter) };
}

function parameter(value: SqlValue): unknown {
  if (value instanceof Json) return value.text;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return value.map(parameter);
  return value ?? null;
}
