import { toJson } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Refusal } from '@mono-auth/core/errors';
import { parseId } from '@mono-auth/core/ids';
import { AgentConsentSchema, DelegationService } from '@mono-auth/proto/monoauth/delegation/v1/delegation';
import type { CliContext } from '../../context.ts';
import { splitList } from '../../input.ts';
import { type OutputFlags, print } from '../../output.ts';
import { withClient } from '../../rpc.ts';

export interface AllowAgentFlags extends OutputFlags {
  readonly scope: string;
  readonly aud?: string;
  readonly ttl: number;
}

/** For the person who is signed in. */
export default async function allowAgent(this: CliContext, flags: AllowAgentFlags, text: string): Promise<void> {
  const { consent } = await withClient(this, DelegationService, (client) =>
    client.allowAgent({
      agentId: parseId('agt', text, 'ID'),
      scopes: splitList(flags.scope),
      audiences: splitList(flags.aud),
      expiresAt: timestampFromMs(this.runtime.nowMs() + flags.ttl * 1000),
      idempotencyKey: this.runtime.uuid(),
    }),
  );
  if (!consent) throw new Refusal('unavailable', 'consent: the answer has none');
  print(this, flags, { consent: toJson(AgentConsentSchema, consent) }, [
    `consent   ${consent.id}`,
    `agent     ${consent.agentId}`,
    `scope     ${consent.scopes.join(' ')}`,
    `audience  ${consent.audiences.join(' ') || 'any that its host may reach'}`,
  ]);
}
