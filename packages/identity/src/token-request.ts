import { Refusal } from '@mono-auth/core/errors';
import { type AgentId, parseId } from '@mono-auth/core/ids';
import { gatewayTokenTtlSeconds, personTokenTtlSeconds } from '@mono-auth/core/limits';
import { isPermission } from '@mono-auth/core/permissions';
import { parseScope } from '@mono-auth/core/token-claims';
import * as z from 'zod';

/** What a signed-in person may ask for. */
export interface TokenRequest {
  readonly audience: string;
  /** undefined: whatever the audience gives by default. */
  readonly scope: readonly string[] | undefined;
  readonly use: 'gateway' | undefined;
  /** RFC 8693 §4.4: the one agent that the token may be exchanged by. */
  readonly mayAct: AgentId | undefined;
  readonly ttlSeconds: number;
}

/** Longest audience and scope, characters: a URL as proxies pass it on; some fifty scope values. */
const audienceCharsMax = 2048;
const scopeCharsMax = 2048;

const fields = z.object({
  audience: z.string().min(1).max(audienceCharsMax).optional(),
  scope: z.string().max(scopeCharsMax).optional(),
  use: z.literal('gateway').optional(),
  may_act: z.string().startsWith('agent:').optional(),
});

/**
 * Reads a request for a token. `use=gateway` names its audience itself: such a token lives 60 s and is never exchanged.
 * @throws Refusal `invalid_request`, `invalid_scope`, `invalid_target`.
 */
export function parseTokenRequest(body: Record<string, unknown>, issuer: string): TokenRequest {
  const parsed = fields.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Refusal('invalid_request', `${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { use } = parsed.data;
  const gateway = `${issuer}/gateway`;
  const audience = parsed.data.audience ?? (use ? gateway : `${issuer}/rpc`);
  if ((audience === gateway) !== (use === 'gateway')) {
    throw new Refusal('invalid_target', 'audience: use=gateway and the gateway go together');
  }
  const scope = parsed.data.scope === undefined ? undefined : parseScope(parsed.data.scope);
  if (parsed.data.scope !== undefined && (!scope || scope.length === 0)) {
    throw new Refusal('invalid_scope', 'scope: not a list of scope values');
  }
  const mayAct = readMayAct(parsed.data.may_act, audience === issuer);
  return { audience, scope, use, mayAct, ttlSeconds: use ? gatewayTokenTtlSeconds : personTokenTtlSeconds };
}

/** Agents exchange what is meant for the issuer: for another audience the claim would only shut everybody out. */
function readMayAct(mayAct: string | undefined, isForExchange: boolean): AgentId | undefined {
  if (mayAct === undefined) return undefined;
  if (!isForExchange) throw new Refusal('invalid_request', 'may_act: goes with the issuer as audience');
  return parseId('agt', mayAct.slice('agent:'.length), 'may_act');
}

/**
 * The scope of a person's token. A permission of ours is granted to those whose role holds it, for every audience: a
 * subject token must not carry into an exchange what its person may not do. At the RPC face and the gateway nothing
 * else has a meaning, and everything held is the default. For other audiences the values belong to the resource, whose
 * policy decides about them; there is no default.
 */
export function grantScope(
  { audience, scope, use }: Pick<TokenRequest, 'audience' | 'scope' | 'use'>,
  issuer: string,
  held: readonly string[],
): readonly string[] {
  const ours = use === 'gateway' || audience === `${issuer}/rpc`;
  const asked = scope ?? (ours ? held : []);
  return asked.filter((value) => held.includes(value) || (!ours && !isPermission(value)));
}
