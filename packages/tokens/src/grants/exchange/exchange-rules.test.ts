import type { Refusal } from '@mono-auth/core/errors';
import { idFromUuid } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import { actorChain } from '@mono-auth/core/token-claims';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { VerifiedClaims } from '../../access-token.ts';
import { actorOf, extendChain } from '../../actor-chain.ts';
import { requireActor, requireSubject } from './exchange-rules.ts';

const uuid = (n: number) => `01890000-0000-7000-8000-00000000000${n}`;
const issuer = 'https://id.test/t/acme';
const resource = 'https://files.test';
const user: Principal = `user:${idFromUuid('usr', uuid(1))}`;
const agent: Principal = `agent:${idFromUuid('agt', uuid(2))}`;
const host: Principal = `host:${idFromUuid('hst', uuid(3))}`;
const otherHost: Principal = `host:${idFromUuid('hst', uuid(4))}`;
const service: Principal = `service:${idFromUuid('cli', uuid(5))}`;
const clientId = idFromUuid('cli', uuid(6));

const claims = (change: Partial<VerifiedClaims> = {}): VerifiedClaims => ({
  iss: issuer,
  aud: issuer,
  sub: user,
  exp: 2_000_000_000,
  iat: 1_900_000_000,
  jti: idFromUuid('tok', uuid(7)),
  client_id: clientId,
  scope: 'a',
  tenant_id: idFromUuid('ten', uuid(8)),
  ep: 1,
  fs: 0,
  ...change,
});
type Exchanger = Parameters<typeof requireActor>[0];
const exchanger = (kind: 'host' | 'service' | 'machine', principal: Principal): Exchanger =>
  ({
    tenant: { issuer },
    principal,
    client: { id: clientId, kind, resource: kind === 'service' ? resource : undefined },
  }) as Exchanger;
const aHost = exchanger('host', host);
const aService = exchanger('service', service);
const aMachine = exchanger('machine', `client:${clientId}`);
const agentToken = claims({ sub: agent, act: actorOf(host) });

function refusal(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    return (error as Refusal).reason;
  }
  return 'taken';
}

describe('where a subject token is taken', () => {
  test.each<[string, Exchanger, Partial<VerifiedClaims>, string]>([
    ['meant for the issuer', aHost, {}, 'taken'],
    ['a list of the issuer alone', aHost, { aud: [issuer] }, 'taken'],
    ['meant for the service that asks', aService, { aud: resource }, 'taken'],
    ['meant for a service, from a host', aHost, { aud: resource }, 'invalid_request'],
    ['meant for the management API', aHost, { aud: `${issuer}/rpc` }, 'invalid_request'],
    ['meant for two', aHost, { aud: [issuer, resource] }, 'invalid_request'],
    ['the issuer with a slash', aHost, { aud: `${issuer}/` }, 'invalid_request'],
    ['a token of the gateway', aHost, { use: 'gateway' }, 'invalid_request'],
  ])('%s', (_, who, change, expected) => {
    expect(refusal(() => requireSubject(who, claims(change)))).toBe(expected);
  });
});

describe('who acts', () => {
  test('an agent with its host, a host itself, the service that a token was sent to, a machine', () => {
    expect(requireActor(aHost, claims(), agentToken)).toEqual({ sub: agent, act: actorOf(host) });
    expect(requireActor(aHost, claims(), claims({ sub: host }))).toEqual({ sub: host });
    expect(requireActor(aService, claims({ aud: resource, act: actorOf(agent) }), undefined)).toEqual({ sub: service });
    expect(requireActor(aMachine, claims(), undefined)).toEqual({ sub: `client:${clientId}` });
  });

  test.each<[string, Exchanger, Partial<VerifiedClaims>, Partial<VerifiedClaims> | undefined]>([
    ['a host alone', aHost, {}, undefined],
    ['a token that has an actor, without one that continues', aMachine, { act: actorOf(agent) }, undefined],
    ['a token with may_act, without an actor', aMachine, { may_act: { sub: agent } }, undefined],
    ['another party than may_act names', aHost, { may_act: { sub: otherHost } }, agentToken],
    ['an actor token that was issued to another client', aHost, {}, { ...agentToken, client_id: 'cli_other' }],
    ['an agent under another host', aHost, {}, { ...agentToken, act: actorOf(otherHost) }],
    ['an agent without a host', aHost, {}, { ...claims(), sub: agent }],
    ['an agent that acts for somebody', aHost, {}, { ...agentToken, act: actorOf(host, actorOf(otherHost)) }],
    ['another host', aHost, {}, { ...claims(), sub: otherHost }],
    ['a person as actor', aHost, {}, claims()],
    ['a delegated token as actor', aHost, {}, claims({ act: actorOf(agent, actorOf(host)) })],
    ['an actor token for another audience', aHost, {}, { ...agentToken, aud: `${issuer}/rpc` }],
    ['an agent at a client that is no host', aMachine, {}, agentToken],
  ])('%s is refused', (_, who, subject, actor) => {
    expect(refusal(() => requireActor(who, claims(subject), actor && claims(actor)))).toBe('invalid_request');
  });

  test('may_act lets the party through that it names', () => {
    expect(requireActor(aHost, claims({ may_act: { sub: agent } }), agentToken).sub).toBe(agent);
  });
});

test('a chain is extended at its outside and loses nobody', () => {
  const principal = fc.constantFrom(user, agent, host, otherHost, service);
  fc.assert(
    fc.property(
      fc.array(principal, { minLength: 1, maxLength: 6 }),
      fc.array(principal, { maxLength: 6 }),
      (now, before) => {
        const nest = (chain: readonly Principal[]) =>
          chain.reduceRight<ReturnType<typeof actorOf> | undefined>((act, sub) => actorOf(sub, act), undefined);
        const current = nest(now);
        expect(current && actorChain(extendChain(current, nest(before)))).toEqual([...now, ...before]);
      },
    ),
  );
});
