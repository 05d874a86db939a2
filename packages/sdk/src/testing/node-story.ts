import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { FeedSubscriber } from '../feed-subscriber.ts';
import { guard } from '../middleware.ts';
import { createVerifier } from '../verifier.ts';
import { FakeIssuer } from './fake-issuer.ts';

/** The service's story on another runtime: verify, revoke, refuse, reconnect, end. Prints what it saw as one JSON document. */
const issuer = await FakeIssuer.start();
const subscriber = await FeedSubscriber.start({ issuer: issuer.url, tokens: async () => 'token', name: 'node' });
await subscriber.whenFresh(10_000);
const verifier = createVerifier({ issuer: issuer.url, audience: 'https://orders.test', revocations: subscriber });
const jti = newId(systemRuntime, 'tok');
const headers = { authorization: `Bearer ${await issuer.mint({ jti })}` };
const ask = async () => {
  const guarded = await guard(new Request('https://orders.test/', { headers }), { verifier });
  return guarded instanceof Response ? guarded.status : 200;
};

const before = await ask();
// It may be fresh before its stream has arrived.
for (let i = 0; i < 200 && issuer.feed.watching() === 0; i++) await systemRuntime.sleep(25);
issuer.feed.disconnect();
const target = { kind: 'token', jti } as const;
issuer.feed.append('revocation', { v: 1, id: newId(systemRuntime, 'rev'), target, reason: 'test' });
for (let i = 0; i < 200 && subscriber.state.seq === 0; i++) await systemRuntime.sleep(25);
const after = await ask();
await subscriber.close();
await issuer.stop();
process.stdout.write(JSON.stringify({ before, after, begunAt: issuer.feed.begunAt.length, bun: 'Bun' in globalThis }));
