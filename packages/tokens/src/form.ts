import { Refusal } from '@mono-auth/core/errors';

/** The parameters of a token endpoint request (RFC 6749 §3.2). */
export interface Form {
  /** The value of a parameter; an empty one counts as absent. */
  get(name: string): string | undefined;
  /** Every value of a parameter that may be repeated. */
  all(name: string): readonly string[];
  /** Names that have a value, in the order of their first. */
  names(): readonly string[];
}

/** Longest body, bytes: three tokens of 8 KiB (subject, actor, assertion) with their encoding and names. */
export const formBytesMax = 32 * 1024;
/** Most parameters in one request: the longest grant has ten, and each of `resource` and `audience` may be repeated. */
const parametersMax = 40;
/** RFC 8693 §2.1 and RFC 8707 §2 allow these more than once; RFC 6749 §3.2 nothing else. */
const repeatable: ReadonlySet<string> = new Set(['resource', 'audience']);
/** RFC 6749 appendix A builds every value from visible characters and spaces. */
const printable = /^[\x20-\x7e]*$/;

/**
 * Reads `application/x-www-form-urlencoded` and nothing else (RFC 6749 §3.2, appendix B). Unknown parameters are ignored.
 * @throws Refusal `invalid_request`; `too_large`.
 */
export async function readForm(request: Request): Promise<Form> {
  const mediaType = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (mediaType !== 'application/x-www-form-urlencoded') {
    throw new Refusal('invalid_request', 'content-type: application/x-www-form-urlencoded');
  }
  const text = await request.text();
  if (text.length > formBytesMax) {
    throw new Refusal('too_large', `the body is longer than ${formBytesMax} bytes`);
  }
  return formOf([...new URLSearchParams(text)]);
}

/** The form that these parameters make, in their order. @throws Refusal `invalid_request`. */
export function formOf(pairs: readonly (readonly [name: string, value: string])[]): Form {
  if (pairs.length > parametersMax) throw new Refusal('invalid_request', `more than ${parametersMax} parameters`);
  const given = new Set<string>();
  const values = new Map<string, string[]>();
  for (const [name, value] of pairs) {
    if (!printable.test(name) || !printable.test(value)) {
      throw new Refusal('invalid_request', 'a parameter has characters that are not printable ASCII');
    }
    // RFC 6749 §3.2: parameters MUST NOT be included more than once, empty ones counted.
    if (given.has(name) && !repeatable.has(name)) throw new Refusal('invalid_request', `${name}: given more than once`);
    given.add(name);
    if (value === '') continue;
    const earlier = values.get(name);
    if (earlier) earlier.push(value);
    else values.set(name, [value]);
  }
  return {
    all: (name) => values.get(name) ?? nothing,
    get: (name) => values.get(name)?.[0],
    names: () => [...values.keys()],
  };
}

const nothing: readonly string[] = [];

/** A parameter without which the request has no meaning. @throws Refusal `invalid_request`. */
export function required(form: Form, name: string): string {
  const value = form.get(name);
  if (value === undefined) throw new Refusal('invalid_request', `${name}: is required`);
  return value;
}
