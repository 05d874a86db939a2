import type { CliContext } from '../context.ts';
import { type OutputFlags, print } from '../output.ts';
import { signOut } from '../session.ts';

export default async function logout(this: CliContext, flags: OutputFlags): Promise<void> {
  await signOut(this);
  print(this, flags, { signed_out: true }, ['signed out']);
}
