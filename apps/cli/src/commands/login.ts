import type { CliContext } from '../context.ts';
import { readSecret } from '../input.ts';
import { type OutputFlags, print } from '../output.ts';
import { signIn } from '../session.ts';

export interface LoginFlags extends OutputFlags {
  readonly server: string;
  readonly tenant: string;
  readonly email: string;
  readonly passwordFile: string;
}

export default async function login(this: CliContext, flags: LoginFlags): Promise<void> {
  const { server, tenant, email } = flags;
  const password = await readSecret(this, flags.passwordFile);
  const path = await signIn(this, { server, tenant, email, password });
  print(this, flags, { tenant, email, session_file: path }, [`signed in to ${tenant} as ${email}; session in ${path}`]);
}
