import { utf8 } from '@mono-auth/core/encoding';
import { type Id, type IdKind, idFromUuid } from '@mono-auth/core/ids';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FeedEntry } from './chain.ts';
import { encodePayload, type Payloads } from './payload.ts';
import { type RevocableClaims, RevocationState } from './revocation-state.ts';
import { type RevocationTarget, targetHandle } from './target.ts';

/** A small world, so that random tokens and random revocations meet. */
const numbered = <K extends IdKind>(kind: K, n: number): Id<K> =>
  idFromUuid(kind, `01890a5d-ac96-774b-bcce-b3020000000${n}`);
type Event = { [K in keyof Payloads]: { kind: K; payload: Payloads[K] } }[keyof Payloads] | { kind: 'later-kind' };

function entryOf(event: Event, seq: number): FeedEntry {
  const payload = event.kind === 'later-kind' ? utf8('?') : encodePayload(event.kind, event.payload as never);
  return { seq, kind: event.kind, payload, createdAtMs: seq };
}
function stateAfter(events: readonly Event[]): RevocationState {
  const state = new RevocationState();
  for (const [i, event] of events.entries()) state.apply(entryOf(event, i + 1));
  return state;
}
const revoke = (target: RevocationTarget, n = 1): Event => ({
  kind: 'revocation',
  payload: { v: 1, id: numbered('rev', n), target, reason: '' },
});
const epoch = (value: number): Event => ({ kind: 'epoch', payload: { v: 1, epoch: value } });

/**
 * The guarantee, as plainly as it can be said: walk the whole feed for every token.
 * @returns the latest entry that refuses it, by the handle that this speaks of.
 */
function refusalsIn(events: readonly Event[], claims: RevocableClaims): Map<string, number> {
  const principals: string[] = [];
  for (let actor: RevocableClaims['act'] = { sub: claims.sub, act: claims.act }; actor; actor = actor.act)
    principals.push(actor.sub);
  let highestEpoch = 0;
  const refused = new Map<string, number>();
  for (const [i, event] of events.entries()) {
    const seq = i + 1;
    const older = claims.fs < seq;
    if (event.kind === 'epoch' && event.payload.epoch > highestEpoch) {
      highestEpoch = event.payload.epoch;
      if (claims.ep < highestEpoch) refused.set('epoch ', seq);
    }
    if (event.kind === 'key' && event.payload.state === 'revoked' && event.payload.kid === claims.kid) {
      refused.set(`key ${event.payload.kid}`, seq);
    }
    if (event.kind !== 'revocation') continue;
    const { target } = event.payload;
    const names = {
      token: () => target.kind === 'token' && [claims.jti, ...(claims.pjti ?? [])].includes(target.jti),
      session: () => target.kind === 'session' && target.sid === claims.sid,
      tenant: () => older,
      grant: () => target.kind === 'grant' && older && (claims.grants ?? []).includes(target.id),
      client: () =>
        target.kind === 'client' &&
        older &&
        (claims.client_id === target.id ||
          (claims.pcid ?? []).includes(target.id) ||
          principals.includes(`client:${target.id}`) ||
          principals.includes(`service:${target.id}`)),
      host: () => target.kind === 'host' && older && principals.includes(`host:${target.id}`),
      agent: () => target.kind === 'agent' && older && principals.includes(`agent:${target.id}`),
      user: () => target.kind === 'user' && older && principals.includes(`user:${target.id}`),
    };
    if (names[target.kind]()) refused.set(`${target.kind} ${targetHandle(target)}`, seq);
  }
  return refused;
}

const n = fc.nat(2);
const handle = n.map((i) => `h${i}`);
const targets: fc.Arbitrary<RevocationTarget> = fc.oneof(
  handle.map((jti) => ({ kind: 'token' as const, jti })),
  handle.map((sid) => ({ kind: 'session' as const, sid })),
  n.map((i) => ({ kind: 'host' as const, id: numbered('hst', i) })),
  n.map((i) => ({ kind: 'agent' as const, id: numbered('agt', i) })),
  n.map((i) => ({ kind: 'client' as const, id: numbered('cli', i) })),
  n.map((i) => ({ kind: 'user' as const, id: numbered('usr', i) })),
  n.map((i) => ({ kind: 'grant' as const, id: numbered('gra', i) })),
  fc.constant({ kind: 'tenant' as const }),
);
const events: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.tuple(targets, n).map(([target, i]) => revoke(target, i)) },
    { weight: 1, arbitrary: fc.nat(3).map(epoch) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(handle, fc.constantFrom('active' as const, 'revoked' as const))
        .map(([kid, state]): Event => ({ kind: 'key', payload: { v: 1, kid, state } })),
    },
    {
      weight: 1,
      arbitrary: fc.constant<Event>({ kind: 'client', payload: { v: 1, id: numbered('cli', 0), state: 'suspended' } }),
    },
    { weight: 1, arbitrary: fc.constant<Event>({ kind: 'later-kind' }) },
  ),
  { maxLength: 12 },
);
const principals = fc.oneof(
  n.map((i) => `user:${numbered('usr', i)}`),
  n.map((i) => `host:${numbered('hst', i)}`),
  n.map((i) => `agent:${numbered('agt', i)}`),
  n.map((i) => `client:${numbered('cli', i)}`),
  n.map((i) => `service:${numbered('cli', i)}`),
);
const option = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const claims: fc.Arbitrary<RevocableClaims> = fc.record({
  jti: handle,
  sub: principals,
  sid: option(handle),
  client_id: option(n.map((i) => numbered('cli', i) as string)),
  act: fc
    .array(principals, { maxLength: 3 })
    .map((chain) => chain.reduceRight<RevocableClaims['act']>((act, sub) => ({ sub, act }), undefined)),
  grants: option(
    fc.array(
      n.map((i) => numbered('gra', i) as string),
      { maxLength: 2 },
    ),
  ),
  pjti: option(fc.array(handle, { maxLength: 2 })),
  pcid: option(
    fc.array(
      n.map((i) => numbered('cli', i) as string),
      { maxLength: 2 },
    ),
  ),
  ep: fc.nat(3),
  fs: fc.nat(12),
  kid: option(handle),
});

test('the verdict, and everything that refuses, is that of walking the whole feed, for any feed and any token', () => {
  let refused = 0;
  fc.assert(
    fc.property(events, claims, (feed, token) => {
      const state = stateAfter(feed);
      const verdict = state.isRevoked(token);
      const walked = refusalsIn(feed, token);
      if (verdict.revoked) refused++;
      expect(verdict.revoked ? verdict.seq : undefined).toBe(
        walked.size > 0 ? Math.max(...walked.values()) : undefined,
      );
      const every = state.refusals(token);
      expect(new Map(every.map(({ why, handle, seq }) => [`${why} ${handle}`, seq]))).toEqual(walked);
      const [latest] = every.map(({ handle: _, ...rest }) => ({ revoked: true, ...rest }));
      expect(verdict).toEqual(latest ?? { revoked: false });
    }),
    { numRuns: 2_000 },
  );
  expect(refused).toBeGreaterThan(100);
  expect(refused).toBeLessThan(1_900);
});

test('a state restored from its snapshot is the same state', () => {
  fc.assert(
    fc.property(events, claims, (feed, token) => {
      const state = stateAfter(feed);
      const restored = RevocationState.fromSnapshot(JSON.parse(JSON.stringify(state.toSnapshot())));
      expect(restored.isRevoked(token)).toEqual(state.isRevoked(token));
      expect(restored.toSnapshot()).toEqual(state.toSnapshot());
      expect([restored.seq, restored.epoch]).toEqual([state.seq, state.epoch]);
    }),
  );
});

describe('a token', () => {
  const host = numbered('hst', 1);
  const chain = { sub: `agent:${numbered('agt', 1)}`, act: { sub: `host:${host}` } };
  const token: RevocableClaims = { jti: 'j', sub: `user:${numbered('usr', 1)}`, act: chain, ep: 1, fs: 0 };

  test('dies with the host under the agent that acts in it, and the verdict names the revocation', () => {
    const verdict = stateAfter([revoke({ kind: 'host', id: host }, 2)]).isRevoked(token);
    expect(verdict).toEqual({ revoked: true, seq: 1, why: 'host', id: numbered('rev', 2) });
  });

  test('is judged by the feed its minter had applied: equal is alive, one less is dead', () => {
    const state = stateAfter([{ kind: 'later-kind' }, revoke({ kind: 'host', id: host })]);
    expect(state.isRevoked({ ...token, fs: 1 }).revoked).toBe(true);
    expect(state.isRevoked({ ...token, fs: 2 }).revoked).toBe(false);
  });

  test('that is itself revoked, or whose ancestor, session or key is, stays dead whatever its fs', () => {
    const state = stateAfter([
      revoke({ kind: 'token', jti: 'j' }),
      revoke({ kind: 'session', sid: 's' }),
      { kind: 'key', payload: { v: 1, kid: 'k', state: 'revoked' } },
    ]);
    const other = { ...token, jti: 'other', fs: 99 };
    expect(state.isRevoked(other)).toEqual({ revoked: false });
    expect(state.isRevoked({ ...token, fs: 99 })).toMatchObject({ why: 'token' });
    expect(state.isRevoked({ ...other, pjti: ['j'] })).toMatchObject({ why: 'token' });
    expect(state.isRevoked({ ...other, sid: 's' })).toMatchObject({ why: 'session' });
    expect(state.isRevoked({ ...other, kid: 'k' })).toEqual({ revoked: true, seq: 3, why: 'key' });
  });

  test('of an earlier epoch is dead, and an epoch never goes back', () => {
    const state = stateAfter([epoch(2), epoch(1)]);
    expect(state.epoch).toBe(2);
    expect(state.isRevoked({ ...token, ep: 1, fs: 99 })).toEqual({ revoked: true, seq: 1, why: 'epoch' });
    expect(state.isRevoked({ ...token, ep: 2 })).toEqual({ revoked: false });
  });

  test('without usable fs or ep is refused', () => {
    const missing = { ...token, fs: Number.NaN };
    expect(stateAfter([revoke({ kind: 'tenant' })]).isRevoked(missing).revoked).toBe(true);
    expect(new RevocationState().isRevoked({ ...token, ep: Number.NaN }).revoked).toBe(true);
  });
});

describe('the reducer', () => {
  test('takes only the next entry', () => {
    const state = stateAfter([epoch(1)]);
    for (const seq of [1, 3]) expect(() => state.apply(entryOf(epoch(2), seq))).toThrow('reset_required');
    expect([state.seq, state.epoch]).toEqual([1, 1]);
  });

  test('stops before an entry of a known kind that it does not understand', () => {
    const state = stateAfter([epoch(1)]);
    const later = { seq: 2, kind: 'revocation', payload: utf8('{"v":2}'), createdAtMs: 0 };
    expect(() => state.apply(later)).toThrow('invalid_request');
    expect(state.seq).toBe(1);
  });

  test.each([
    null,
    {},
    { v: 2, seq: 0, epoch: 0, epochSeq: 0, cuts: [] },
    { v: 1, seq: 0, epoch: 0, epochSeq: 1, cuts: [] },
    { v: 1, seq: 1, epoch: 0, epochSeq: 0, cuts: [['token', 'j', 2, null]] },
    { v: 1, seq: 1, epoch: 0, epochSeq: 0, cuts: [['planet', 'j', 1, null]] },
    { v: 1, seq: 1, epoch: 0, epochSeq: 0, cuts: [['token', 'j', 1]] },
  ])('refuses the snapshot %j', (snapshot) => {
    expect(() => RevocationState.fromSnapshot(snapshot)).toThrow('invalid_request');
  });
});
