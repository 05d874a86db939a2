import type { Client } from '@connectrpc/connect';
import type { MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { refusalOf } from './rpc-errors.ts';

/** A server that loses its nonces more often than this within one enrolment has more to mend than we can wait for. */
const attemptsMax = 3;

/**
 * Asks for a challenge and sends what answers it; again with a new one when the server has lost the first.
 * @param send signs the nonce and sends: a refused one has changed nothing.
 * @throws Refusal whatever the server refuses.
 */
export async function answerChallenge<T>(
  client: Pick<Client<typeof MachineService>, 'challenge'>,
  credential: string,
  send: (nonce: string) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { nonce } = await client.challenge({ credential });
      return await send(nonce);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal.reason !== 'use_new_nonce' || attempt === attemptsMax) throw refusal;
    }
  }
}
