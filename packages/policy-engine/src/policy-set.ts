import type { DetailedError } from '@cedar-policy/cedar-wasm/nodejs';
import { Refusal } from '@mono-auth/core/errors';
import { withCedar } from './cedar.ts';
import { complexityErrors } from './complexity.ts';

/** Longest policy text, characters: what the API accepts. */
const policyTextCharsMax = 262_144;
/** The form of a policy's name (its annotation `@id`): it goes into decisions, logs and evidence. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/;

export interface NamedPolicy {
  readonly name: string;
  readonly text: string;
  /** Its JSON form, if Cedar has one for it. */
  readonly json: unknown;
}

/** The parts of a policy text in their order, or why it cannot be taken apart. */
export type ParsedSet =
  | { readonly ok: true; readonly policies: readonly NamedPolicy[] }
  | { readonly ok: false; readonly errors: string[] };

/** Takes a policy text apart. A policy is called by its annotation `@id`, else `policy<n>` by its position from 0. */
export function parsePolicySet(text: string): ParsedSet {
  if (text.length > policyTextCharsMax) return { ok: false, errors: [`longer than ${policyTextCharsMax} characters`] };
  const tooComplex = complexityErrors(text);
  if (tooComplex.length > 0) return { ok: false, errors: tooComplex };
  return withCedar((cedar) => {
    const parts = cedar.policySetTextToParts(text);
    if (parts.type === 'failure') return { ok: false, errors: parts.errors.map((error) => describe(text, error)) };
    const errors = parts.policy_templates.length > 0 ? ['templates are not supported: write the policy out'] : [];
    const policies = inTextOrder(parts.policies).map((policy, position) => {
      const parsed = cedar.policyToJson(policy);
      const json = parsed.type === 'success' ? parsed.json : undefined;
      const id = json?.annotations?.id;
      const name = id ?? `policy${position}`;
      if (!namePattern.test(name)) errors.push(`policy${position}: @id has 1 to 80 of A-Z a-z 0-9 . _ -`);
      return { name, text: policy, json };
    });
    const names = new Set<string>();
    for (const { name } of policies) {
      if (names.has(name)) errors.push(`${name}: two policies bear this name`);
      names.add(name);
    }
    return errors.length > 0 ? { ok: false, errors } : { ok: true, policies };
  });
}

/** Cedar answers the parts sorted by the names it gave them as text: policy0, policy1, policy10, policy11, policy2. */
function inTextOrder(parts: readonly string[]): string[] {
  const positions = parts.map((_, position) => position).sort((a, b) => (String(a) < String(b) ? -1 : 1));
  return positions
    .map((position, at) => ({ position, text: parts[at] as string }))
    .sort((a, b) => a.position - b.position)
    .map(({ text }) => text);
}

/** An error of Cedar with the line it speaks of; Cedar counts bytes of UTF-8. */
export function describe(text: string, error: DetailedError, policy?: string): string {
  const place = error.sourceLocations?.[0];
  const line = place && Buffer.from(text).subarray(0, place.start).toString().split('\n').length;
  const where = [policy, line === undefined ? undefined : `line ${line}`].filter(Boolean).join(', ');
  const what = [error.message, place?.label, error.help].filter(Boolean).join('; ');
  return where === '' ? what : `${where}: ${what}`;
}

/** @throws Refusal `invalid_request` naming the first error. */
export function readPolicySet(text: string): readonly NamedPolicy[] {
  const parsed = parsePolicySet(text);
  if (!parsed.ok) throw new Refusal('invalid_request', `policy_text: ${parsed.errors[0]}`);
  return parsed.policies;
}
