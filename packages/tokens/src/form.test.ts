import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readForm, required } from './form.ts';

const form = (body: string, contentType = 'application/x-www-form-urlencoded') =>
  readForm(new Request('http://id.test/', { method: 'POST', body, headers: { 'content-type': contentType } }));
const reasonOf = (reading: Promise<unknown>) =>
  reading.then(
    () => 'read',
    (error) => error.reason,
  );

test('a parameter with an empty value counts as absent', async () => {
  const read = await form('scope=&grant_type=x');
  expect(read.get('scope')).toBeUndefined();
  expect(read.get('grant_type')).toBe('x');
  expect(() => required(read, 'scope')).toThrow('scope: is required');
});

test('a repeated parameter is refused, except resource and audience', async () => {
  expect(await reasonOf(form('scope=a&scope=b'))).toBe('invalid_request');
  expect(await reasonOf(form('scope=a&scope='))).toBe('invalid_request');
  expect(await reasonOf(form('subject_token=a&subject_token=a'))).toBe('invalid_request');
  expect((await form('resource=a&resource=b&resource=')).all('resource')).toEqual(['a', 'b']);
});

test('names of object prototypes are parameters like any other', async () => {
  const read = await form('__proto__=x&constructor=y');
  expect(read.get('__proto__')).toBe('x');
  expect(read.get('toString')).toBeUndefined();
});

test('only a form is read, whatever parameters its media type has', async () => {
  expect(await reasonOf(form('a=b', 'application/json'))).toBe('invalid_request');
  expect(await reasonOf(form('a=b', 'text/plain'))).toBe('invalid_request');
  expect((await form('a=b', 'Application/X-WWW-Form-Urlencoded; charset=UTF-8')).get('a')).toBe('b');
});

test('control characters, bytes that are no UTF-8 and text beyond ASCII are refused', async () => {
  for (const body of ['a=%00', 'a=%0a', 'a=%ff', 'a=%c3%a9', '%00=a']) {
    expect(await reasonOf(form(body))).toBe('invalid_request');
  }
});

test('more parameters than any grant has are refused', async () => {
  expect(await reasonOf(form(Array.from({ length: 41 }, (_, i) => `p${i}=1`).join('&')))).toBe('invalid_request');
});

test('what a client encodes is what is read', async () => {
  await fc.assert(
    fc.asyncProperty(fc.stringMatching(/^[\x20-\x7e]{1,50}$/), async (value) => {
      expect((await form(new URLSearchParams({ scope: value }).toString())).get('scope')).toBe(value);
    }),
  );
});
