import { Refusal } from '@mono-auth/core/errors';
import { type Form, required } from '../../form.ts';
import { readScope } from '../../scope.ts';
import { readTarget } from '../../target.ts';
import { isTokenType, type TokenType, tokenTypes } from './token-type.ts';

/** A token as it is shown, nothing of it verified. */
export interface ShownToken {
  readonly token: string;
  readonly type: TokenType;
}

/** What an exchange asks for, read and nothing verified. */
export interface ExchangeRequest {
  readonly subject: ShownToken;
  readonly actor: ShownToken | undefined;
  /** What it was asked for as, and is answered as (RFC 8693 §2.2.1). */
  readonly requestedType: IssuedType;
  readonly target: string;
  readonly scope: readonly string[] | undefined;
  readonly impersonate: boolean;
}

export type IssuedType = (typeof tokenTypes)['accessToken' | 'jwt'];

/** RFC 8693 §2.1, in its order. @throws Refusal `invalid_request`, `invalid_scope`, `invalid_target`. */
export function readExchange(form: Form): ExchangeRequest {
  const target = readTarget(form);
  const scope = readScope(form);
  const requestedType = readRequestedType(form);
  const subject = readToken(form, 'subject_token');
  const actor = form.get('actor_token') === undefined ? undefined : readToken(form, 'actor_token');
  if (!actor && form.get('actor_token_type') !== undefined) {
    throw new Refusal('invalid_request', 'actor_token_type: must not be there without actor_token');
  }
  // Optional in the RFC, required here: a token without a named audience would be good for anybody (RFC 9700 §2.3).
  if (target === undefined) throw new Refusal('invalid_request', 'resource or audience: one is required');
  return { subject, actor, requestedType, target, scope, impersonate: readImpersonate(form) };
}

function readRequestedType(form: Form): IssuedType {
  const type = form.get('requested_token_type') ?? tokenTypes.accessToken;
  if (type === tokenTypes.accessToken || type === tokenTypes.jwt) return type;
  throw new Refusal('invalid_request', 'requested_token_type: only access tokens are issued here, which are JWTs');
}

function readToken(form: Form, name: 'subject_token' | 'actor_token'): ShownToken {
  const token = required(form, name);
  const type = required(form, `${name}_type`);
  // Assertions of other kinds that RFC 8693 §3 lists come to their person's identity provider, never here.
  if (!isTokenType(type))
    throw new Refusal('invalid_request', `${name}_type: access tokens of this issuer are accepted`);
  return { token, type };
}

/** Our own parameter, because the RFC has none: whoever wants no actor in the token says so. */
function readImpersonate(form: Form): boolean {
  const text = form.get('impersonate');
  if (text === undefined || text === 'true') return text === 'true';
  throw new Refusal('invalid_request', 'impersonate: true, or not there');
}
