import { Refusal } from '@mono-auth/core/errors';
import type { UserId } from '@mono-auth/core/ids';
import { nameCharsMax } from '@mono-auth/core/limits';
import type { Tenant } from '@mono-auth/tenants';
import * as z from 'zod';
import type { IdentityContext } from './context.ts';
import { passwordCharsMax, passwordCharsMin } from './password-hash.ts';
import { selectUserId } from './store.ts';

export interface NewUser {
  readonly email: string;
  readonly password: string;
  readonly name: string;
}

const newUser = z.object({
  email: z.email().max(254),
  password: z.string().min(passwordCharsMin).max(passwordCharsMax),
  name: z.string().trim().min(1).max(nameCharsMax),
});

/**
 * Makes a user of a tenant: an operator's act, nobody signs up on their own. The role is the caller's to give.
 * @throws Refusal `already_exists`; `invalid_request`, naming the field.
 */
export async function createUser(context: IdentityContext, tenant: Tenant, input: NewUser): Promise<UserId> {
  const parsed = newUser.safeParse(input);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Refusal('invalid_request', `${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { insertUser, pool } = context.auths.of(tenant);
  const email = parsed.data.email.toLowerCase();
  const taken = () => new Refusal('already_exists', 'email: somebody has it already');
  if (await selectUserId(pool, email)) throw taken();
  try {
    return await insertUser(context.runtime.uuid(), { ...parsed.data, email });
  } catch (error) {
    // Two calls at the same moment: the unique key decides.
    if (await selectUserId(pool, email)) throw taken();
    throw error;
  }
}
