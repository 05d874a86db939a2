import { Code } from '@connectrpc/connect';
import { type Reason, Refusal, refusals } from '@mono-auth/core/errors';
import { expect, test } from 'vitest';
import { reasonOf, toConnectError } from './index.ts';

test.each(Object.keys(refusals) as Reason[])(
  '%s leaves with the Connect code of its row and its own name',
  (reason) => {
    const refusal = new Refusal(reason, 'why', { cause: new Error('secret') });
    const error = toConnectError(refusal);
    expect(Code[error.code]?.replace(/(?<!^)[A-Z]/g, '_$&').toLowerCase()).toBe(refusals[reason].connect);
    expect(reasonOf(error)).toBe(reason);
    expect(error.rawMessage).toBe('why');
  },
);
