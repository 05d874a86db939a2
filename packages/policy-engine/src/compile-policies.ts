import type { Circumstances } from './circumstances.ts';
import { compileExpression } from './compile-expression.ts';
import { deny, type EngineDecision } from './decision.ts';
import { entityOf, fields, NotCompiled, nameOf } from './json-form.ts';
import { bool } from './operators.ts';
import { EntityRef, EvaluationError } from './value.ts';

/** A policy in Cedar's JSON form under its name. */
export interface PolicyForm {
  readonly name: string;
  readonly json: unknown;
}

interface CompiledPolicy {
  readonly name: string;
  readonly permits: boolean;
  readonly governs: (action: EntityRef) => boolean;
  /** @throws EvaluationError */
  readonly applies: (at: Circumstances) => boolean;
}

/**
 * Compiles a set to closures, indexed by the actions there are: a decision looks at those policies alone that its action
 * concerns. `undefined` when any policy of it has a form that is not known here.
 */
export function compilePolicies(
  policies: readonly PolicyForm[],
  actions: readonly string[],
): ((at: Circumstances) => EngineDecision) | undefined {
  try {
    const compiled = policies.map(compilePolicy);
    const byAction = new Map(
      actions.map((id) => [id, compiled.filter(({ governs }) => governs(new EntityRef('Action', id)))]),
    );
    return (at) => {
      const concerned = byAction.get(at.action.id);
      if (!concerned) throw new TypeError(`no policies were indexed for the action ${at.action.id}`);
      return decideBy(concerned, at);
    };
  } catch (error) {
    if (error instanceof NotCompiled) return undefined;
    throw error;
  }
}

/** Every policy is evaluated, also behind a forbid that applies: an error in any of them denies and has to be told. */
function decideBy(policies: readonly CompiledPolicy[], at: Circumstances): EngineDecision {
  const permits: string[] = [];
  const forbids: string[] = [];
  const errors: string[] = [];
  for (const policy of policies) {
    try {
      if (policy.applies(at)) (policy.permits ? permits : forbids).push(policy.name);
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      errors.push(`${policy.name}: ${error.message}`);
    }
  }
  if (errors.length > 0) return deny(...errors);
  if (forbids.length > 0) return { allowed: false, reasons: forbids, errors };
  return { allowed: permits.length > 0, reasons: permits, errors };
}

function compilePolicy({ name, json }: PolicyForm): CompiledPolicy {
  const known = ['effect', 'principal', 'action', 'resource', 'conditions'];
  const annotated = typeof json === 'object' && json !== null && 'annotations' in json;
  const policy = fields(json, ...known, ...(annotated ? ['annotations'] : []));
  if (policy.effect !== 'permit' && policy.effect !== 'forbid') throw new NotCompiled('effect');
  if (!Array.isArray(policy.conditions)) throw new NotCompiled('conditions');
  const [principal, resource] = [constraint(policy.principal), constraint(policy.resource)];
  const conditions = policy.conditions.map(compileCondition);
  return {
    name,
    permits: policy.effect === 'permit',
    governs: actionConstraint(policy.action),
    // A type error among the conditions counts only behind those that hold, as in the conjunction that they are.
    applies: (at) => principal(at.principal) && resource(at.resource) && conditions.every((condition) => condition(at)),
  };
}

function compileCondition(json: unknown): (at: Circumstances) => boolean {
  const { kind, body } = fields(json, 'kind', 'body');
  const expression = compileExpression(body);
  if (kind === 'when') return (at) => bool(expression(at));
  if (kind === 'unless') return (at) => !bool(expression(at));
  throw new NotCompiled('conditions');
}

type Constraint = (entity: EntityRef) => boolean;

/** What a policy's head says of its principal or resource. No entity has a parent: `in` is `==`. */
function constraint(json: unknown): Constraint {
  const op = opOf(json);
  if (op === 'All') {
    fields(json, 'op');
    return () => true;
  }
  if (op === '==' || op === 'in') return isOneOf([entityOf(fields(json, 'op', 'entity').entity)]);
  if (op !== 'is') throw new NotCompiled(op);
  const within = 'in' in (json as object);
  const parts = within ? fields(json, 'op', 'entity_type', 'in') : fields(json, 'op', 'entity_type');
  const type = nameOf(parts.entity_type);
  if (!within) return (entity) => entity.type === type;
  const place = entityOf(fields(parts.in, 'entity').entity);
  return (entity) => entity.type === type && entity.is(place);
}

function actionConstraint(json: unknown): Constraint {
  if (opOf(json) !== 'in' || 'entity' in (json as object)) {
    if (opOf(json) === 'is') throw new NotCompiled('is');
    return constraint(json);
  }
  const { entities } = fields(json, 'op', 'entities');
  if (!Array.isArray(entities)) throw new NotCompiled('entities');
  return isOneOf(entities.map(entityOf));
}

function isOneOf(places: readonly EntityRef[]): Constraint {
  return (entity) => places.some((place) => entity.is(place));
}

function opOf(json: unknown): string {
  if (typeof json !== 'object' || json === null || !('op' in json)) throw new NotCompiled('op');
  return nameOf(json.op);
}
