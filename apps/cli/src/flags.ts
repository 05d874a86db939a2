/** Flags that many commands have, and the forms that all flags take. */
export const json = {
  kind: 'boolean',
  brief: 'one JSON document on standard output',
  default: false,
  withNegated: false,
} as const;

const asIs = (text: string): string => {
  if (text === '') throw new SyntaxError('must not be empty');
  return text;
};

export const text = (brief: string, placeholder: string) =>
  ({ kind: 'parsed', parse: asIs, brief, placeholder }) as const;

export const optionalText = (brief: string, placeholder: string) =>
  ({ kind: 'parsed', parse: asIs, brief, placeholder, optional: true }) as const;

export const yes = (brief: string) => ({ kind: 'boolean', brief, default: false, withNegated: false }) as const;

export const id = (brief: string, placeholder: string) => ({ parse: asIs, brief, placeholder }) as const;

/** A whole number of seconds, 1 or more. */
export function parseSeconds(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new SyntaxError('a whole number of seconds, 1 or more');
  return Number(text);
}

/** A version of something: a whole number, 1 or more. */
export function parseVersion(text: string): number {
  if (!/^[1-9][0-9]{0,14}$/.test(text)) throw new SyntaxError('a whole number, 1 or more');
  return Number(text);
}
