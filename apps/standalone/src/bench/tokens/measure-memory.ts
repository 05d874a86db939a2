import { PolicyService } from '@mono-auth/proto/monoauth/policy/v1/policy';
import { Person } from '../../tour/person.ts';
import type { ChildProgram } from '../child-program.ts';
import type { Contestant } from './contestant.ts';
import { residentMiB } from './cores.ts';
import type { Installation } from './installation.ts';
import { measureRows, type Schedule } from './rounds.ts';

export interface Memory {
  /** After a start on a database that is there, and tokens alone. */
  readonly tokensOnlyMiB: number;
  /** After a sign-in with Better Auth, a draft that Cedar's WebAssembly has read, and tokens again. */
  readonly everythingMiB: number;
}

/** Any text that Cedar has to parse. */
const policyText = 'permit (principal, action, resource);';

/** Memory of a server that has just been started; `rows` are its own and need no sign-in any more. */
export async function measureMemory(
  { baseUrl, operator, firstTenant }: Installation,
  { pid }: { readonly pid: number },
  rows: readonly Contestant[],
  generator: ChildProgram,
  schedule: Schedule,
): Promise<Memory> {
  await measureRows(rows, generator, schedule);
  const tokensOnlyMiB = residentMiB(pid);
  const { slug } = await firstTenant();
  const person = await Person.signIn(baseUrl, slug, operator.email, operator.password);
  await (await person.rpc(PolicyService)).validateDraft({ policyText });
  await measureRows(rows, generator, schedule);
  return { tokensOnlyMiB, everythingMiB: residentMiB(pid) };
}
