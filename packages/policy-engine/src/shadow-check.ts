import { asRefusal } from '@mono-auth/core/errors';
import { deny, type EngineDecision } from './decision.ts';
import type { PlainRequest } from './request.ts';

/** A decision on which the compiled policies and Cedar did not agree. */
export interface Mismatch {
  readonly request: PlainRequest;
  readonly compiled: EngineDecision;
  readonly cedar: EngineDecision;
}

type Decide = (request: PlainRequest) => EngineDecision;

interface Shadow {
  readonly compiled: Decide;
  readonly cedar: Decide;
  /** One decision in so many is asked of both, beginning with the first. */
  readonly every: number;
  readonly onMismatch?: ((mismatch: Mismatch) => void) | undefined;
}

/**
 * Decides by the compiled policies, of which a sample is checked by Cedar. Where they differ, either can deny, and from
 * then on Cedar alone decides: a compiler that was wrong once is not asked again.
 */
export function shadowed({ compiled, cedar, every, onMismatch }: Shadow): Decide {
  let untilCheck = 0;
  let trusted = true;
  return (request) => {
    if (!trusted) return cedar(request);
    const own = attempt(compiled, request);
    if (own.failed) untilCheck = 0;
    if (untilCheck-- > 0) return own.decision;
    untilCheck = every - 1;
    const oracle = attempt(cedar, request);
    if (!own.failed && agree(own.decision, oracle.decision)) return own.decision;
    trusted = false;
    onMismatch?.({ request, compiled: own.decision, cedar: oracle.decision });
    return oracle.decision.allowed && !own.decision.allowed ? own.decision : oracle.decision;
  };
}

function attempt(decide: Decide, request: PlainRequest): { decision: EngineDecision; failed: boolean } {
  try {
    return { decision: decide(request), failed: false };
  } catch (error) {
    return { decision: deny(asRefusal(error).detail), failed: true };
  }
}

function agree(compiled: EngineDecision, cedar: EngineDecision): boolean {
  return (
    compiled.allowed === cedar.allowed &&
    sameNames(compiled.reasons, cedar.reasons) &&
    sameNames(compiled.errors.map(policyOf), cedar.errors.map(policyOf))
  );
}

/** The policy that an error speaks of; what it says is each one's own wording. */
function policyOf(error: string): string {
  return error.slice(0, Math.max(error.indexOf(':'), 0));
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && [...a].sort().join('\n') === [...b].sort().join('\n');
}
