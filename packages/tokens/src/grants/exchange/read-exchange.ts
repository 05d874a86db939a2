import { Refusal } from '@mono-auth/core/errors';
import { type Form, required } from '../../form.ts';
import { readScope } from '../../scope.ts';
import { readTarget } from '../../target.ts';
import { tokenTypes } from './token-type.ts';

/** What an exchange asks for, read and nothing verified. */
export interface ExchangeRequest {
  readonly subjectToken: string;
  readonly actorToken: string | undefined;
  readonly target: string;
  readonly scope: readonly string[] | undefined;
}

/** RFC 8693 §2.1, in its order. @throws Refusal `invalid_request`, `invalid_scope`, `invalid_target`. */
export function readExchange(form: Form): ExchangeRequest {
  const target = readTarget(form);
  const scope = readScope(form);
  const requestedType = form.get('requested_token_type');
  if (requestedType !== undefined && requestedType !== tokenTypes.accessToken) {
    throw new Refusal('invalid_request', 'requested_token_type: only access tokens are issued here');
  }
  const subjectToken = required(form, 'subject_token');
  requireTokenType('subject_token_type', required(form, 'subject_token_type'));
  const actorToken = form.get('actor_token');
  if (actorToken !== undefined) {
    requireTokenType('actor_token_type', required(form, 'actor_token_type'));
  } else if (form.get('actor_token_type') !== undefined) {
    throw new Refusal('invalid_request', 'actor_token_type: must not be there without actor_token');
  }
  // Optional in the RFC, required here: a token without a named audience would be good for anybody (RFC 9700 §2.3).
  if (target === undefined) throw new Refusal('invalid_request', 'resource or audience: one is required');
  return { subjectToken, actorToken, target, scope };
}

function requireTokenType(name: string, type: string): void {
  if (type !== tokenTypes.accessToken && type !== tokenTypes.jwt) {
    throw new Refusal('invalid_request', `${name}: only access tokens of this issuer are accepted`);
  }
}
