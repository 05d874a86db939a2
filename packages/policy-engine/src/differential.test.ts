import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CedarPolicies, cedarPolicies } from './cedar-policies.ts';
import { circumstancesOf } from './circumstances.ts';
import { compilePolicies } from './compile-policies.ts';
import type { EngineDecision } from './decision.ts';
import { readPolicySet } from './policy-set.ts';
import { type DecisionRequest, readRequest } from './request.ts';

/** Sets compared; each is asked `requestsEach` questions. `MONO_DIFFERENTIAL_SETS` for a long run by hand. */
const sets = Number(process.env.MONO_DIFFERENTIAL_SETS ?? 450);
const requestsEach = 12;
const maxDepth = 3;

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
const leaf = fc.oneof(
  word.map(quoted),
  entityLiteral,
  fc.constantFrom('1', '2', 'true', '[1]', '[""]', '{a: 1}', '{}'),
);
const pattern = fc
  .array(fc.constantFrom('*', '\\*', 'o', 'orders:', 'read', 'r', 'é', '😀', 'a'), { maxLength: 5 })
  .map((parts) => `"${parts.join('')}"`);

/** Expressions in Cedar's text by the type that they have if all goes well; about one operand in ten is of any type. */
const expressions = fc.letrec<Record<'bool' | 'long' | 'text' | 'entity' | 'set' | 'record' | 'value', string>>(
  (tie) => {
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
        fc.constantFrom('true', 'false', '(context has scope)', '(context has actor)'),
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
        fc.integer({ min: -3, max: 3 }).map(String),
        fc.constantFrom('9007199254740991', '-9007199254740991', '1024', '1025', '3037000500'),
        infix(long, '+', '-', '*'),
        form([long], (of) => `-(${of})`),
        choice(long),
        member,
      ),
      text: fc.oneof(
        { maxDepth },
        fc.constantFrom('context.operation', 'context.actor', 'context["audience"]', 'resource.kind'),
        word.map(quoted),
        choice(text),
        member,
        tag,
      ),
      entity: fc.oneof({ maxDepth }, fc.constantFrom('principal', 'action', 'resource'), entityLiteral, choice(entity)),
      set: fc.oneof(
        { maxDepth },
        fc.constantFrom('context.scope', 'context.actors', '[]'),
        fc.array(word.map(quoted), { maxLength: 12 }).map((members) => `[${members.join()}]`),
        fc.array(entityLiteral, { maxLength: 3 }).map((members) => `[${members.join()}]`),
        fc.array(value, { maxLength: 3 }).map((members) => `[${members.join()}]`),
        fc.array(leaf, { minLength: 9, maxLength: 10 }).map((members) => `[${members.join()}]`),
        choice(set),
      ),
      record: fc.oneof(
        { maxDepth },
        fc.constant('context'),
        fc
          .uniqueArray(fc.tuple(attribute, value), { maxLength: 3, selector: ([name]) => name })
          .map((members) => `{${members.map(([name, of]) => `${quoted(name)}: ${of}`).join()}}`),
        choice(record),
      ),
      value: fc.oneof(
        { maxDepth },
        word.map(quoted),
        tie('bool'),
        tie('long'),
        tie('text'),
        tie('entity'),
        tie('set'),
        tie('record'),
        member,
      ),
    };
  },
);

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
  .map(([effect, who, what, where, conditions]) => `${effect} (${who}, ${what}, ${where}) ${conditions.join(' ')};`);

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

function open(policyText: string): { compiled: NonNullable<ReturnType<typeof compilePolicies>>; cedar: CedarPolicies } {
  const policies = readPolicySet(policyText);
  const compiled = compilePolicies(policies, ['token.issue', 'token.exchange', 'access']);
  if (!compiled) throw new TypeError(`not compiled: ${policyText}`);
  return { compiled, cedar: cedarPolicies(policyText, Object.fromEntries(policies.map((p) => [p.name, p.text]))) };
}
