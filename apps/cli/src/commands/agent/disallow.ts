import { toJson } from '@bufbuild/protobuf';
import { Refusal } from '@mono-auth/core/errors';
import { parseId } from '@mono-auth/core/ids';
import { AgentConsentSchema, DelegationService } from '@mono-auth/proto/monoauth/delegation/v1/delegation';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print } from '../../output.ts';
import { withClient } from '../../rpc.ts';

export default async function disallowAgent(this: CliContext, flags: OutputFlags, text: string): Promise<void> {
  const id = parseId('gra', text, 'CONSENT');
  const { consent } = await withClient(this, DelegationService, (client) => client.endAgentConsent({ id }));
  if (!consent) throw new Refusal('unavailable', 'consent: the answer has none');
  print(this, flags, { consent: toJson(AgentConsentSchema, consent) }, [`ended ${consent.id}`]);
}
