import { parseId } from '@mono-auth/core/ids';
import type { CliContext } from '../../context.ts';
import { requireHostCredentials } from '../../host-identity.ts';
import { readSecret, splitList } from '../../input.ts';
import { type OutputFlags, print } from '../../output.ts';

export interface ExchangeFlags extends OutputFlags {
  readonly subjectTokenFile: string;
  readonly agent: string;
  readonly aud: string;
  readonly scope?: string;
}

/** The person's token becomes one that carries the person, the agent and this host. */
export default async function exchangeToken(this: CliContext, flags: ExchangeFlags): Promise<void> {
  const agent = parseId('agt', flags.agent, 'agent');
  const subjectToken = await readSecret(this, flags.subjectTokenFile);
  const credentials = await requireHostCredentials(this);
  const actorToken = await credentials.getToken({ agent });
  const { accessToken, expiresInSeconds, scope } = await credentials.exchange({
    subjectToken,
    actorToken,
    audience: flags.aud,
    scope: splitList(flags.scope),
  });
  const document = { access_token: accessToken, token_type: 'Bearer', expires_in: expiresInSeconds, scope };
  print(this, flags, document, [accessToken]);
}
