import { withCedar } from './cedar.ts';
import { describe, parsePolicySet } from './policy-set.ts';
import { schemaText } from './schema.ts';

/** Errors told at once: enough to work on, short enough to read. */
const errorsMax = 50;

export type Validation = { readonly valid: true } | { readonly valid: false; readonly errors: string[] };

/**
 * Whether a policy text is well-formed and type-correct under the schema (Cedar's strict validation: a policy that passes
 * raises no type error when it is evaluated). Each error names its policy and its line.
 */
export function validatePolicies(policyText: string): Validation {
  const parsed = parsePolicySet(policyText);
  if (!parsed.ok) return { valid: false, errors: parsed.errors.slice(0, errorsMax) };
  const answer = withCedar((cedar) =>
    cedar.validate({
      schema: schemaText,
      policies: { staticPolicies: policyText },
      validationSettings: { mode: 'strict' },
    }),
  );
  const errors =
    answer.type === 'failure'
      ? answer.errors.map((error) => describe(policyText, error))
      : answer.validationErrors.map(({ policyId, error }) => {
          const name = parsed.policies[Number(policyId.slice('policy'.length))]?.name ?? policyId;
          const message = error.message.replace(`for policy \`${policyId}\`, `, '');
          return describe(policyText, { ...error, message }, name);
        });
  return errors.length > 0 ? { valid: false, errors: errors.slice(0, errorsMax) } : { valid: true };
}
