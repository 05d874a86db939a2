import { Refusal } from '@mono-auth/core/errors';
import { parseId } from '@mono-auth/core/ids';
import { decodeJwt } from 'jose';
import type { CliContext } from '../../context.ts';
import { requireHostCredentials } from '../../host-identity.ts';
import { splitList } from '../../input.ts';
import { type OutputFlags, print } from '../../output.ts';
import { requestPersonToken, requireSession } from '../../session.ts';

export interface MintFlags extends OutputFlags {
  readonly agent?: string;
  readonly host: boolean;
  readonly aud?: string;
  readonly scope?: string;
}

/** For an agent on this host, for the host itself, or for the person who is signed in. */
export default async function mintToken(this: CliContext, flags: MintFlags): Promise<void> {
  const { agent, host, aud, scope } = flags;
  if (agent !== undefined && host) throw new Refusal('invalid_request', 'agent, host: one of them');
  const token = agent !== undefined || host ? await mintForMachine(this, flags) : await mintForPerson(this, aud, scope);
  const { exp } = decodeJwt(token);
  print(this, flags, { access_token: token, token_type: 'Bearer', expires_at: exp }, [token]);
}

async function mintForMachine(context: CliContext, { agent, aud, scope }: MintFlags): Promise<string> {
  const credentials = await requireHostCredentials(context);
  return credentials.getToken({
    audience: aud,
    scope: splitList(scope),
    agent: agent === undefined ? undefined : parseId('agt', agent, 'agent'),
  });
}

async function mintForPerson(context: CliContext, audience?: string, scope?: string): Promise<string> {
  const session = await requireSession(context);
  return (await requestPersonToken(context, session, { audience, scope })).accessToken;
}
