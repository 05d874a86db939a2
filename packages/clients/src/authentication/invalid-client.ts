import { Refusal } from '@mono-auth/core/errors';

/** Every failure of authentication, in one wording: who may not be told apart from nobody. `cause` is logged alone. */
export function invalidClient(cause: unknown): Refusal {
  return new Refusal('invalid_client', 'client authentication failed', { cause });
}
