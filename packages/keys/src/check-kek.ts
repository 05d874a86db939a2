import type { Database } from '@mono-auth/database';
import type { Kms } from './kms.ts';
import { keepCheckValue } from './store.ts';

/**
 * Compares the key-encryption key with the one this installation was set up with; the first start sets it. Call it at
 * start, before anything is wrapped or unwrapped.
 * @throws Error of one line when it is another key.
 */
export async function checkKek(deps: { database: Database; kms: Kms }): Promise<void> {
  const checkValue = await deps.kms.checkValue();
  const stored = await deps.database.forPlatform('check value of the key-encryption key at start', (tx) =>
    keepCheckValue(tx, checkValue),
  );
  if (stored !== checkValue) {
    throw new Error('MONO_KEK: not the key that this database was set up with; allowed: that key alone');
  }
}
