import fc from 'fast-check';
import { expect, test } from 'vitest';
import { withCedar } from './cedar.ts';
import { type CedarPolicies, cedarPolicies } from './cedar-policies.ts';
import { circumstancesOf } from './circumstances.ts';
import { compilePolicies } from './compile-policies.ts';
import { complexityErrors } from './complexity.ts';
import type { EngineDecision } from './decision.ts';
import { readPolicySet } from './policy-set.ts';
import { type DecisionRequest, type PlainRequest, readRequest } from './request.ts';

/** Sets compared; each is asked `requestsEach` questions. `MONO_DIFFERENTIAL_SETS` for a long run by hand. */
const sets = Number(process.env.MONO_DIFFERENTIAL_SETS ?? 250);
const requestsEach = 20;
/** Small expressions of one set, each compared by itself. */
const expressionsEach = 40;
const actions = ['token.issue', 'token.exchange', 'access'];

const words = ['', 'orders:read', 'orders:write', 'agent:agt_1', 'order', 'usr_1', 'a*b', 'é', '😀', '__proto__'];
const word = fc.constantFrom(...words);
const quoted = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
const type = fc.constantFrom('User', 'Host', 'Agent', 'Resource', 'Action', 'Group', 'Team::Group');
const attribute = fc.constantFrom(
  ...['operation', 'scope', 'actor', 'actors', 'audience', 'client_id', 'tenant_role', 'kind', 'a', '__proto__'],
);
const entityLiteral = fc.oneof(
  fc.constantFrom('User::"usr_1"', 'Resource::"order/17"', 'Action::"access"', 'Action::"token.issue"'),
  fc.tuple(type, word).map(([of, id]) => `${of}::${quoted(id)}`),
);
const nested = fc.constantFrom(
  '[1]',
  '[1, 1]',
  '[2, 1]',
  '[1, 2]',
  '[""]',
  '{a: 1}',
  '{a: 1, b: [2]}',
  '{b: [2, 2], a: 1}',
  '{}',
);
const literal = fc.oneof(word.map(quoted), entityLiteral, fc.constantFrom('1', '2', 'true', 'false'), nested);
const few = fc.array(literal, { maxLength: 3 });
const many = fc.array(literal, { minLength: 9, maxLength: 12 });
const leaves = {
  bool: fc.constantFrom('true', 'false', '(context has scope)', '(context has actor)'),
  long: fc.constantFrom(...['-2', '-1', '0', '1', '2', '9007199254740991', '-9007199254740991', '1024', '1025']),
  text: fc.oneof(
    word.map(quoted),
    fc.constantFrom('context.operation', 'context.actor', 'context["audience"]', 'resource.kind'),
  ),
  entity: fc.oneof(fc.constantFrom('principal', 'action', 'resource'), entityLiteral),
  set: fc.oneof(
    fc.constantFrom('context.scope', 'context.actors', '[]', '[principal]'),
    fc.oneof(few, many).map((members) => `[${members.join()}]`),
    fc.array(fc.oneof(word.map(quoted), fc.constant('context.operation'))).map((members) => `[${members.join()}]`),
    fc.array(entityLiteral, { maxLength: 10 }).map((members) => `[${members.join()}]`),
  ),
  record: fc.constantFrom('context', '{}', '{a: 1}', '{a: 1, b: 2}', '{a: {b: {a: 1}}}', '{"__proto__": 1}'),
};
const pattern = fc
  .array(fc.constantFrom('*', '\\*', 'o', 'orders:', 'read', 'r', 'é', '😀', 'a'), { maxLength: 5 })
  .map((parts) => `"${parts.join('')}"`);

/** Expressions in Cedar's text by the type that they have if all goes well; about one operand in ten is of any type. */
const expressionsOf = (maxDepth: number) =>
  fc.letrec<Record<'bool' | 'long' | 'text' | 'entity' | 'set' | 'record' | 'value', string>>((tie) => {
    const some = (name: 'bool' | 'long' | 'text' | 'entity' | 'set' | 'record') =>
      fc.oneof({ weight: 9, arbitrary: tie(name) }, { weight: 1, arbitrary: tie('value') });
    const form = (operands: readonly fc.Arbitrary<string>[], write: (...texts: string[]) => string) =>
      fc.tuple(...operands).map((texts) => write(...texts));
    const infix = (of: fc.Arbitrary<string>, ...operators: string[]) =>
      form([of, fc.constantFrom(...operators), of], (left, operator, right) => `(${left} ${operator} ${right})`);
    const call = (of: fc.Arbitrary<string>, name: string, operand: fc.Arbitrary<string>) =>
      form([of, operand], (left, right) => `(${left}).${name}(${right})`);
    const [bool, long, text, entity, set, record] = [
      some('bool'),
      some('long'),
      some('text'),
      some('entity'),
      some('set'),
      some('record'),
    ];
    const value = tie('value');
    const choice = (of: fc.Arbitrary<string>) => form([bool, of, of], (c, y, n) => `(if ${c} then ${y} else ${n})`);
    const member = form([fc.oneof(record, entity), attribute], (left, name) => `(${left}).${name}`);
    const tag = call(entity, 'getTag', text);
    return {
      bool: fc.oneof(
        { maxDepth },
        leaves.bool,
        infix(bool, '&&', '||'),
        infix(bool, '&&', '||'),
        form([bool], (of) => `!(${of})`),
        choice(bool),
        infix(value, '==', '!='),
        infix(text, '==', '!='),
        infix(entity, '==', '!=', 'in'),
        infix(set, '==', '!='),
        infix(record, '==', '!='),
        infix(long, '<', '<=', '>', '>=', '==', '!='),
        form([entity, set], (left, right) => `(${left} in ${right})`),
        form([entity, type], (left, of) => `(${left} is ${of})`),
        form([entity, type, fc.oneof(entity, set)], (left, of, right) => `(${left} is ${of} in ${right})`),
        form([fc.oneof(record, entity), attribute], (left, name) => `(${left} has ${name})`),
        form(
          [record, fc.array(attribute, { minLength: 2, maxLength: 3 }).map((path) => path.join('.'))],
          (left, path) => {
            return `(${left} has ${path})`;
          },
        ),
        form([record, word], (left, name) => `(${left} has ${quoted(name)})`),
        call(set, 'contains', value),
        call(set, 'contains', text),
        call(set, 'containsAll', set),
        call(set, 'containsAny', set),
        form([set], (of) => `(${of}).isEmpty()`),
        form([text, pattern], (left, right) => `(${left} like ${right})`),
        call(entity, 'hasTag', text),
      ),
      long: fc.oneof(
        { maxDepth },
        leaves.long,
        infix(long, '+', '-', '*'),
        form([long], (of) => `-(${of})`),
        choice(long),
        member,
      ),
      text: fc.oneof({ maxDepth }, leaves.text, choice(text), member, tag),
      entity: fc.oneof({ maxDepth }, leaves.entity, choice(entity)),
      set: fc.oneof(
        { maxDepth },
        leaves.set,
        fc.array(value, { maxLength: 3 }).map((members) => `[${members.join()}]`),
        choice(set),
      ),
      record: fc.oneof(
        { maxDepth },
        leaves.record,
        fc
          .uniqueArray(fc.tuple(attribute, value), { maxLength: 3, selector: ([name]) => name })
          .map((members) => `{${members.map(([name, of]) => `${quoted(name)}: ${of}`).join()}}`),
        choice(record),
      ),
      value: fc.oneof(
        { maxDepth },
        fc.oneof(...Object.values(leaves), nested),
        tie('bool'),
        tie('long'),
        tie('text'),
        tie('entity'),
        tie('set'),
        tie('record'),
        member,
      ),
    };
  });

const expressions = expressionsOf(3);
const shallow = expressionsOf(1);

const place = (variable: string) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant(variable) },
    entityLiteral.map((of) => `${variable} == ${of}`),
    entityLiteral.map((of) => `${variable} in ${of}`),
    type.map((of) => `${variable} is ${of}`),
    fc.tuple(type, entityLiteral).map(([of, at]) => `${variable} is ${of} in ${at}`),
  );
const actionLiteral = fc.constantFrom('Action::"access"', 'Action::"token.issue"', 'Action::"fly"', 'a::Action::"x"');
const action = fc.oneof(
  { weight: 4, arbitrary: fc.constant('action') },
  actionLiteral.map((of) => `action == ${of}`),
  actionLiteral.map((of) => `action in ${of}`),
  fc.array(actionLiteral, { maxLength: 3 }).map((of) => `action in [${of.join()}]`),
);
const condition = fc
  .tuple(
    fc.constantFrom('when', 'when', 'unless'),
    fc.oneof({ weight: 14, arbitrary: expressions.bool }, { weight: 1, arbitrary: expressions.value }),
  )
  .map(([kind, body]) => `${kind} { ${body} }`);
const policy = fc
  .tuple(
    fc.constantFrom('permit', 'permit', 'forbid'),
    place('principal'),
    action,
    place('resource'),
    fc.array(condition, { maxLength: 2 }),
  )
  .map(([effect, who, what, where, conditions]) => `${effect} (${who}, ${what}, ${where}) ${conditions.join(' ')};`)
  // One in tens of thousands is larger than a policy may be, and is refused before anybody decides by it.
  .filter((text) => complexityErrors(text).length === 0);

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const texts = fc.array(word, { maxLength: 10 });
const request: fc.Arbitrary<DecisionRequest> = fc.record({
  principal: fc.constantFrom('user:usr_1', 'user:é', 'host:hst_1', 'agent:agt_1', 'client:cli_1', 'service:order'),
  action: fc.constantFrom('orders:read', 'orders:write', 'token.issue', 'token.exchange', 'access'),
  resource: fc.record({ type: fc.constantFrom('order', 'é', ''), id: fc.constantFrom('17', '😀', '') }),
  context: fc.record({
    scope: maybe(texts),
    actors: maybe(texts),
    audience: maybe(word),
    client_id: maybe(word),
    tenant_role: maybe(word),
  }),
});

/** What has to agree: the answer, who decided, and whose evaluation failed. The wording of an error is each one's own. */
function agreedPart({ allowed, reasons, errors }: EngineDecision): object {
  return { allowed, reasons: [...reasons].sort(), erred: errors.map((error) => error.split(':')[0]).sort() };
}

test('compiled policies decide as Cedar does, well typed or not', { timeout: 30_000 + sets * 60 }, () => {
  const seen = { allowed: 0, forbidden: 0, undecided: 0, erred: 0 };
  fc.assert(
    fc.property(
      fc.array(policy, { minLength: 1, maxLength: 4 }),
      fc.array(request, { minLength: requestsEach, maxLength: requestsEach }),
      (policies, requests) => {
        const { compiled, cedar } = open(policies.join('\n'));
        for (const plain of requests.map(readRequest)) {
          const decision = cedar.decide(plain);
          expect(agreedPart(compiled(circumstancesOf(plain)))).toEqual(agreedPart(decision));
          if (decision.errors.length > 0) seen.erred++;
          else if (decision.allowed) seen.allowed++;
          else seen[decision.reasons.length > 0 ? 'forbidden' : 'undecided']++;
        }
      },
    ),
    { numRuns: sets },
  );
  process.stdout.write(`differential: ${sets * requestsEach} decisions compared, ${JSON.stringify(seen)}\n`);
  // A generator whose sets all fail, or all deny, would compare nothing.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan((sets * requestsEach) / 50);
});

test('each expression is true, false or an error exactly where it is to Cedar', { timeout: 30_000 + sets * 60 }, () => {
  const seen = { true: 0, false: 0, error: 0 };
  const one = fc.oneof({ weight: 9, arbitrary: shallow.bool }, { weight: 1, arbitrary: shallow.value });
  fc.assert(
    fc.property(
      fc.array(one, { minLength: expressionsEach, maxLength: expressionsEach }),
      fc.array(request, { minLength: 2, maxLength: 2 }),
      (bodies, requests) => {
        const policies = readPolicySet(
          bodies.map((body) => `permit (principal, action, resource) when { ${body} };`).join('\n'),
        );
        const compiled = policies.map((policy) => compilePolicies([policy], actions));
        for (const plain of requests.map(readRequest)) {
          const at = circumstancesOf(plain);
          const meant = meaningsByCedar(policies, plain);
          compiled.forEach((decide, position) => {
            const meaning = meaningOf(decide?.(at));
            expect(`${meaning}: ${bodies[position]}`).toBe(`${meant[position]}: ${bodies[position]}`);
            seen[meaning]++;
          });
        }
      },
    ),
    { numRuns: sets },
  );
  process.stdout.write(`differential: ${sets * 2 * expressionsEach} expressions, ${JSON.stringify(seen)}\n`);
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan((sets * 2 * expressionsEach) / 20);
});

/** Nine members more: a set of that size is looked up by an index. */
const others = '1, 2, 3, 4, 5, 6, 7, 8, "x"';
const edges = [
  ...['<', '<=', '>', '>=', '==', '!='].flatMap((of) => [`1 ${of} 1`, `1 ${of} 2`, `2 ${of} 1`, `1 ${of} "1"`]),
  ...['1024', '1025', '-1024', '-1025'].map((by) => `9007199254740991 * ${by} != 0`),
  '9007199254740991 * 1024 + 1023 != 0',
  '9007199254740991 * 1024 + 1024 != 0',
  '-9007199254740991 * 1024 - 1024 != 0',
  '-9007199254740991 * 1024 - 1025 != 0',
  '-(-9007199254740991 * 1024 - 1024) != 0',
  '9007199254740991 + 2 == 9007199254740991 + 1',
  ...['true || 1', '(false || 1) == 1', 'false && 1', '(true && 1) == 1', '1 || true', 'if false then 1 else true'],
  ...['principal.hasTag(1)', 'principal.hasTag("a")', '"a".hasTag("a")', 'principal.getTag("a") == 1'],
  ...[
    '"a" like "a*a"',
    '"aa" like "a*a"',
    '"aba" like "*ab*ba*"',
    '"a*" like "a\\*"',
    '"ab" like "a\\*"',
    '"" like "*"',
  ],
  ...['"abcab" like "*ab"', '"ab" like "ab*ab"', '"😀" like "*😀*"', '1 like "*"'],
  ...[
    '{a: 1, b: 2} == {b: 2, a: 1}',
    '{a: 1, b: 2} == {a: 1}',
    '{a: 1} == {a: 1, b: 2}',
    '{a: 1} == {b: 1}',
    '{} == []',
  ],
  ...['[1, 1, 2] == [2, 1]', '[1] == [1, 2]', '[1, 2] == [1]', '[[1, 2], [2, 1]] == [[1, 2]]', '[] == []'],
  ...[
    '[1, 1]',
    '[2, 1, 1]',
    '{b: 1, a: [2, 2]}',
    'User::"a"',
    'Host::"a"',
    '"User::\\"a\\""',
    '"1"',
    '1',
    '[]',
    '{}',
  ].map((of) => `[${others}, [1, 2], [1], {a: [2], b: 1}, User::"a"].contains(${of})`),
  `[${others}, [1, 2]] == [[2, 1, 2], "x", 8, 7, 6, 5, 4, 3, 2, 1]`,
  ...[`[${others}].containsAll([9])`, `[${others}].containsAny([9, 8])`, '[1].containsAny(1)', '[].containsAll([])'],
  ...['principal in [principal, 1]', 'principal in []', 'principal in 1', '1 in principal', '1 in []'],
  ...['principal is User in 1', 'principal is Host in 1', '1 is User', 'context has scope.x', 'context has nope.x'],
  ...['resource.kind == "order"', 'Resource::"order/17".kind == "order"', 'Resource::"order/18" has kind', '1 has a'],
  ...[
    'Resource::"order/18".kind == "order"',
    'action has kind',
    'principal.kind == 1',
    '1.isEmpty()',
    '!1',
    '-"a" == 1',
  ],
];

test('the edges that random expressions seldom reach are those of Cedar', () => {
  const bodies = edges.map(
    (body) => `@id("e${edges.indexOf(body)}") permit (principal, action, resource) when { ${body} };`,
  );
  const policies = readPolicySet(bodies.join('\n'));
  const plain = readRequest({
    principal: 'user:usr_1',
    action: 'orders:read',
    resource: { type: 'order', id: '17' },
    context: { scope: ['orders:read'] },
  });
  const meant = meaningsByCedar(policies, plain);
  const own = policies.map((policy) => meaningOf(compilePolicies([policy], actions)?.(circumstancesOf(plain))));
  expect(own.map((meaning, at) => `${meaning}: ${edges[at]}`)).toEqual(
    meant.map((meaning, at) => `${meaning}: ${edges[at]}`),
  );
});

type Meaning = 'true' | 'false' | 'error';

function meaningOf(decision: EngineDecision | undefined): Meaning {
  if (!decision) throw new TypeError('not compiled');
  if (decision.errors.length > 0) return 'error';
  return decision.allowed ? 'true' : 'false';
}

/** What each policy of a set comes to by itself: Cedar names all permits that apply and all that failed. */
function meaningsByCedar(policies: readonly { name: string; text: string }[], request: PlainRequest): Meaning[] {
  const answer = withCedar((cedar) => {
    const resource = { type: 'Resource', id: request.resource.id };
    return cedar.isAuthorized({
      principal: { ...request.principal },
      action: { type: 'Action', id: request.action },
      resource,
      context: Object.fromEntries([...request.context].map(([name, of]) => [name, of as string | string[]])),
      entities: [{ uid: resource, attrs: { kind: request.resource.kind }, parents: [] }],
      policies: { staticPolicies: Object.fromEntries(policies.map(({ name, text }) => [name, text])) },
    });
  });
  if (answer.type === 'failure') throw new TypeError(answer.errors[0]?.message);
  const { reason, errors } = answer.response.diagnostics;
  return policies.map(({ name }) => {
    if (errors.some(({ policyId }) => policyId === name)) return 'error';
    return reason.includes(name) ? 'true' : 'false';
  });
}

function open(policyText: string): { compiled: NonNullable<ReturnType<typeof compilePolicies>>; cedar: CedarPolicies } {
  const policies = readPolicySet(policyText);
  const compiled = compilePolicies(policies, actions);
  if (!compiled) throw new TypeError(`not compiled: ${policyText}`);
  return { compiled, cedar: cedarPolicies(policyText, Object.fromEntries(policies.map((p) => [p.name, p.text]))) };
}
