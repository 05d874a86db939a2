import { expect, test } from 'vitest';
import { defaultPolicyText } from './default-policies.ts';
import { validatePolicies } from './validate-policies.ts';

const errorsOf = (text: string): string[] => {
  const checked = validatePolicies(text);
  return checked.valid ? [] : checked.errors;
};
const when = (body: string) => `permit (principal, action, resource) when { ${body} };`;

test('the shipped default set is valid', () => {
  expect(validatePolicies(defaultPolicyText)).toEqual({ valid: true });
});

test('a type error names its policy and its line, also behind letters of several bytes', () => {
  const text = `// à la carte\npermit (principal, action, resource);\n\n@id("late-orders")\n// why: ünïcödé\npermit (principal, action, resource)\nwhen { context.amount > 3 };`;
  const [first] = errorsOf(text);
  expect(first).toMatch(/^late-orders, line 7: /);
  expect(first).toContain('amount');
});

test('errors name the right one of more than ten policies', () => {
  const text = Array.from({ length: 12 }, (_, at) =>
    at === 10
      ? '@id("ten") permit (principal, action, resource) when { resource.nope };'
      : `@id("p${at}") permit (principal, action, resource);`,
  ).join('\n');
  expect(errorsOf(text)).toHaveLength(1);
  expect(errorsOf(text)[0]).toMatch(/^ten, line 11: /);
});

test('a syntax error names its line', () => {
  expect(errorsOf('permit (principal, action, resource);\npermit (principal action, resource);')[0]).toMatch(/line 2/);
});

test('what only looks like a policy set is refused', () => {
  expect(errorsOf('permit (principal == ?principal, action, resource);')[0]).toMatch(/template/);
  expect(errorsOf('permit (principal, action == Action::"fly", resource);')).not.toEqual([]);
  expect(errorsOf('permit (principal is Spaceship, action, resource);')).not.toEqual([]);
  const twice = '@id("a") permit (principal, action, resource);';
  expect(errorsOf(`${twice}\n${twice}`)[0]).toMatch(/two policies/);
  expect(errorsOf('@id("a b") permit (principal, action, resource);')[0]).toMatch(/@id/);
});

test.each([
  ['brackets', when(`${'('.repeat(3000)}true${')'.repeat(3000)}`)],
  ['sets', when(`${'['.repeat(200)}1${']'.repeat(200)}.contains(1)`)],
  ['conjunctions', when(Array(5000).fill('true').join(' && '))],
  ['sums', when(`${Array(5000).fill('1').join('+')} == 1`)],
  ['conditionals', when(`${'if true then true else '.repeat(2000)}false`)],
  ['attributes', when(`context${'.x'.repeat(5000)}`)],
  ['negations', when(`${'!'.repeat(5000)}true`)],
])('a policy deep enough to exhaust the evaluator is refused, and the next one is served: %s', (_name, text) => {
  expect(errorsOf(text)).not.toEqual([]);
  expect(validatePolicies(defaultPolicyText)).toEqual({ valid: true });
});

test('brackets and operators in strings and comments count for nothing', () => {
  const text = `// ${'('.repeat(100)}\n${when(`context.operation == "${'(&&'.repeat(300)}"`)}`;
  expect(validatePolicies(text)).toEqual({ valid: true });
});

test('a set at its limits is accepted', () => {
  expect(validatePolicies(when(`${'('.repeat(30)}true${')'.repeat(30)}`))).toEqual({ valid: true });
  expect(validatePolicies(Array(1000).fill(when('true')).join('\n'))).toEqual({ valid: true });
  expect(errorsOf(Array(1001).fill(when('true')).join('\n'))[0]).toMatch(/1000 policies/);
});
