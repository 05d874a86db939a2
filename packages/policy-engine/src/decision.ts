export interface EngineDecision {
  readonly allowed: boolean;
  /** Names of the policies that decided; empty on a default deny. */
  readonly reasons: string[];
  /** Why no policy could decide. Always a denial. */
  readonly errors: string[];
}

export function deny(...errors: string[]): EngineDecision {
  return { allowed: false, reasons: [], errors };
}
