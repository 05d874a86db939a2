import type { Circumstances } from './circumstances.ts';
import { fields, literalOf, NotCompiled, nameOf, soleMember } from './json-form.ts';
import { binaryOperators, bool, entity, text, unaryOperators, wrongType } from './operators.ts';
import { EntityRef, EvaluationError, type Value, type ValueRecord, ValueSet } from './value.ts';

export type Expression = (at: Circumstances) => Value;

/** The closure of an expression in Cedar's JSON form. @throws NotCompiled on a form that is not exactly a known one. */
export function compileExpression(json: unknown): Expression {
  const [name, body] = soleMember(json);
  if (Object.hasOwn(binaryOperators, name)) return binary(binaryOperators[name] as BinaryOperator, body);
  if (Object.hasOwn(unaryOperators, name)) return unary(unaryOperators[name] as UnaryOperator, body);
  if (!Object.hasOwn(forms, name)) throw new NotCompiled(name);
  return (forms[name] as (body: unknown) => Expression)(body);
}

type BinaryOperator = (left: Value, right: Value) => Value;
type UnaryOperator = (operand: Value) => Value;

const forms: Readonly<Record<string, (body: unknown) => Expression>> = {
  Value: constant,
  Var: variable,
  '&&': and,
  '||': or,
  'if-then-else': conditional,
  '.': attribute,
  has: presence,
  like: likeness,
  is: typeTest,
  Set: setOf,
  Record: recordOf,
};

const variables: Readonly<Record<string, Expression>> = {
  principal: (at) => at.principal,
  action: (at) => at.action,
  resource: (at) => at.resource,
  context: (at) => at.context,
};

function constant(body: unknown): Expression {
  const value = literalOf(body);
  return () => value;
}

function variable(body: unknown): Expression {
  const name = nameOf(body);
  if (!Object.hasOwn(variables, name)) throw new NotCompiled(name);
  return variables[name] as Expression;
}

function binary(operator: BinaryOperator, body: unknown): Expression {
  const [left, right] = operands(body);
  return (at) => operator(left(at), right(at));
}

function unary(operator: UnaryOperator, body: unknown): Expression {
  const operand = compileExpression(fields(body, 'arg').arg);
  return (at) => operator(operand(at));
}

function and(body: unknown): Expression {
  const [left, right] = operands(body);
  return (at) => bool(left(at)) && bool(right(at));
}

function or(body: unknown): Expression {
  const [left, right] = operands(body);
  return (at) => bool(left(at)) || bool(right(at));
}

function operands(body: unknown): [Expression, Expression] {
  const { left, right } = fields(body, 'left', 'right');
  return [compileExpression(left), compileExpression(right)];
}

function conditional(body: unknown): Expression {
  const parts = fields(body, 'if', 'then', 'else');
  const [test, yes, no] = [parts.if, parts.then, parts.else].map(compileExpression) as [
    Expression,
    Expression,
    Expression,
  ];
  return (at) => (bool(test(at)) ? yes(at) : no(at));
}

function attribute(body: unknown): Expression {
  const { left, attr } = fields(body, 'left', 'attr');
  const [of, name] = [compileExpression(left), nameOf(attr)];
  return (at) => {
    const value = membersOf(of(at), at)?.get(name);
    if (value === undefined) throw new EvaluationError(`no attribute "${name}"`);
    return value;
  };
}

/** `e has a.b.c` holds when each step is there; what is asked for a step and can have none is an error. */
function presence(body: unknown): Expression {
  const { left, attr } = fields(body, 'left', 'attr');
  const of = compileExpression(left);
  const path = (Array.isArray(attr) ? attr : [attr]).map(nameOf);
  if (path.length === 0) throw new NotCompiled('has');
  return (at) => {
    let value: Value | undefined = of(at);
    for (const name of path) {
      value = membersOf(value, at)?.get(name);
      if (value === undefined) return false;
    }
    return true;
  };
}

/** The attributes of a record, or of an entity if the request says any of it. */
function membersOf(value: Value, at: Circumstances): ValueRecord | undefined {
  if (value instanceof EntityRef) return value.is(at.resource) ? at.resourceAttributes : undefined;
  if (value instanceof Map) return value;
  throw wrongType('a record or an entity', value);
}

function likeness(body: unknown): Expression {
  const { left, pattern } = fields(body, 'left', 'pattern');
  const of = compileExpression(left);
  if (!Array.isArray(pattern)) throw new NotCompiled('like');
  // The text between the wildcards.
  const runs = [''];
  for (const element of pattern) {
    if (element === 'Wildcard') runs.push('');
    else runs[runs.length - 1] += nameOf(fields(element, 'Literal').Literal);
  }
  return (at) => matches(text(of(at)), runs);
}

/** Each run at the first place after the former one: if that fails, no later place does better. */
function matches(subject: string, runs: readonly string[]): boolean {
  const first = runs[0] as string;
  const last = runs[runs.length - 1] as string;
  if (runs.length === 1) return subject === first;
  if (!subject.startsWith(first)) return false;
  let from = first.length;
  for (const run of runs.slice(1, -1)) {
    const found = subject.indexOf(run, from);
    if (found < 0) return false;
    from = found + run.length;
  }
  return subject.length - last.length >= from && subject.endsWith(last);
}

function typeTest(body: unknown): Expression {
  const within = typeof body === 'object' && body !== null && 'in' in body;
  const parts = within ? fields(body, 'left', 'entity_type', 'in') : fields(body, 'left', 'entity_type');
  const [of, type] = [compileExpression(parts.left), nameOf(parts.entity_type)];
  if (!within) return (at) => entity(of(at)).type === type;
  const [place, isIn] = [compileExpression(parts.in), binaryOperators.in as BinaryOperator];
  return (at) => {
    const value = entity(of(at));
    return value.type === type && isIn(value, place(at));
  };
}

function setOf(body: unknown): Expression {
  if (!Array.isArray(body)) throw new NotCompiled('Set');
  const members = body.map(compileExpression);
  if (body.every((member) => soleMember(member)[0] === 'Value')) {
    const whole = new ValueSet(body.map((member) => literalOf(soleMember(member)[1])));
    return () => whole;
  }
  return (at) => new ValueSet(members.map((member) => member(at)));
}

function recordOf(body: unknown): Expression {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new NotCompiled('Record');
  const members = Object.entries(body).map(([name, member]) => [name, compileExpression(member)] as const);
  return (at) => new Map(members.map(([name, member]) => [name, member(at)]));
}
