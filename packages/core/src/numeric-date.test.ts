import { expect, test } from 'vitest';
import { areNumericDates } from './numeric-date.ts';

const read = (json: string) => areNumericDates(JSON.parse(json));

test('dates are numbers that a clock can reach, whole or not, or are not there', () => {
  expect(read('{}')).toBe(true);
  expect(read('{"exp":1,"nbf":0,"iat":1.5}')).toBe(true);
  for (const name of ['exp', 'nbf', 'iat']) {
    for (const json of ['1e400', '-1e400', '"1"', 'null', 'true', '[1]', '{}']) {
      expect(read(`{"${name}":${json}}`), `${name} ${json}`).toBe(false);
    }
  }
});
