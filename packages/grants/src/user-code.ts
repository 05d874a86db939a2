import type { Runtime } from '@mono-auth/core/runtime';

/** RFC 8628 §6.1: letters that make no words and are not mistaken for each other. */
const alphabet = 'BCDFGHJKLMNPQRSTVWXZ';
/** 20^8 is 2^34.5: with few guesses for each person, and ten minutes, hopeless (RFC 8628 §5.1). */
const lettersCount = 8;
/** The last byte value below which each letter is as likely as any other. */
const unbiasedBelow = 256 - (256 % alphabet.length);

/** A code as it is shown, `XXXX-XXXX`. */
export function newUserCode(runtime: Runtime): string {
  let letters = '';
  while (letters.length < lettersCount) {
    for (const byte of runtime.randomBytes(lettersCount)) {
      if (byte < unbiasedBelow && letters.length < lettersCount) letters += alphabet[byte % alphabet.length];
    }
  }
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}

/** The letters of a code as a person types it: case, blanks and dashes do not count. Undefined when it can be none. */
export function userCodeLetters(typed: string): string | undefined {
  const letters = typed.replace(/[\s-]/g, '').toUpperCase();
  return letters.length === lettersCount && [...letters].every((one) => alphabet.includes(one)) ? letters : undefined;
}
