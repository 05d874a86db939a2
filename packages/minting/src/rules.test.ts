import { Refusal } from '@mono-auth/core/errors';
import { type GrantId, idFromUuid, newId, type SessionId, type TenantId, type TokenId } from '@mono-auth/core/ids';
import { actDepthMax, ancestorsMax, grantsMax } from '@mono-auth/core/limits';
import type { Actor, Principal } from '@mono-auth/core/principal';
import { systemRuntime } from '@mono-auth/core/runtime';
import { type AccessTokenClaims, actorChain } from '@mono-auth/core/token-claims';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MintRequest } from './mint-request.ts';
import { deriveClaims, intersectScope, type MintingGround, ttlSecondsMax } from './rules.ts';

const now = 1_800_000_000;
const ground: MintingGround = {
  issuer: 'https://id.test/t/acme',
  tenantId: idFromUuid('ten', '01890000-0000-7000-8000-000000000001') as TenantId,
  epoch: 3,
  fs: 40,
};
const uuid = (n: number) => `01890000-0000-7000-8000-00000000002${n}`;
const jti = () => newId(systemRuntime, 'tok') as TokenId;

/** A few principals, so that generated chains meet themselves often. */
const principals = Array.from({ length: 9 }, (_, i) => {
  const uuid = `01890000-0000-7000-8000-00000000001${i}`;
  return [`user:${idFromUuid('usr', uuid)}`, `agent:${idFromUuid('agt', uuid)}`, `host:${idFromUuid('hst', uuid)}`][
    i % 3
  ] as Principal;
});
const scopes = ['a', 'b', 'c', 'd:read', 'd:write'];

const principal = fc.constantFrom(...principals);
const scope = fc.uniqueArray(fc.constantFrom(...scopes), { maxLength: 5 });
const chain = fc.array(principal, { maxLength: actDepthMax + 2 });
const parent = fc
  .record({
    sub: principal,
    scope,
    ttl: fc.integer({ min: 1, max: 700 }),
    fs: fc.integer({ min: 0, max: 60 }),
    ancestors: fc.integer({ min: 0, max: 7 }),
    grants: fc.uniqueArray(fc.constantFrom('gra_1', 'gra_2', 'gra_3')),
  })
  .map(
    ({ sub, scope, ttl, fs, ancestors, grants }): AccessTokenClaims => ({
      iss: ground.issuer,
      aud: ground.issuer,
      sub,
      exp: now + ttl,
      iat: now - 1,
      jti: jti(),
      client_id: 'cli',
      scope: scope.join(' '),
      tenant_id: ground.tenantId,
      ep: ground.epoch,
      fs,
      pjti: Array.from({ length: ancestors }, jti),
      grants,
    }),
  );
const request = fc.record({
  subject: principal,
  clientId: fc.constant('cli'),
  audience: fc.constantFrom('https://files.test', 'x'),
  scope,
  ttlSeconds: fc.integer({ min: 1, max: 1000 }),
  notAfter: fc.integer({ min: now - 5, max: now + 900 }),
  act: chain.map(nest),
  parents: fc.array(parent, { maxLength: 3 }),
});

function nest(chain: readonly Principal[]): Actor | undefined {
  return chain.reduceRight<Actor | undefined>((act, sub) => ({ sub, ...(act && { act }) }), undefined);
}

type Generated = typeof request extends fc.Arbitrary<infer T> ? T : never;

function toRequest({ act, ...rest }: Generated): MintRequest {
  return { ...rest, ...(act && { act }) };
}

/** Runs the property on every request that is granted; refusals are covered by tests of their own. */
function holdsForGranted(check: (claims: AccessTokenClaims, request: MintRequest) => void): number {
  let granted = 0;
  fc.assert(
    fc.property(request, (generated) => {
      const asked = toRequest(generated);
      let claims: AccessTokenClaims;
      try {
        claims = deriveClaims(ground, asked, jti(), now);
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal);
        return;
      }
      granted += 1;
      check(claims, asked);
    }),
    { numRuns: 2000 },
  );
  return granted;
}

describe('lineage, for every token that is granted', () => {
  test('scope is never wider than the request or any parent, and never empty', () => {
    const granted = holdsForGranted((claims, { scope, parents = [] }) => {
      const values = claims.scope.split(' ');
      expect(values.length).toBeGreaterThan(0);
      for (const value of values) {
        expect(scope).toContain(value);
        for (const parent of parents) expect(parent.scope.split(' ')).toContain(value);
      }
    });
    expect(granted).toBeGreaterThan(100);
  });

  test('exp outlives neither the lifetime, notAfter nor any parent, and lies ahead', () => {
    holdsForGranted((claims, asked) => {
      expect(claims.exp).toBeGreaterThan(now);
      expect(claims.exp).toBeLessThanOrEqual(now + Math.min(asked.ttlSeconds, ttlSecondsMax(asked)));
      expect(claims.exp).toBeLessThanOrEqual(asked.notAfter ?? Number.POSITIVE_INFINITY);
      for (const parent of asked.parents ?? []) expect(claims.exp).toBeLessThanOrEqual(parent.exp);
    });
  });

  test('a revocation that would kill a parent by its fs kills the child', () => {
    holdsForGranted((claims, { parents = [] }) => {
      for (const fs of [ground.fs, ...parents.map((parent) => parent.fs)]) expect(claims.fs).toBeLessThanOrEqual(fs);
    });
  });

  test('every ancestor and every grant of a parent is a handle of the child, within the bound', () => {
    holdsForGranted((claims, { parents = [] }) => {
      expect(claims.pjti?.length ?? 0).toBeLessThanOrEqual(ancestorsMax);
      expect(claims.pjti?.slice(0, parents.length) ?? []).toEqual(parents.map((parent) => parent.jti));
      for (const parent of parents) {
        for (const ancestor of parent.pjti ?? []) expect(claims.pjti).toContain(ancestor);
        for (const grant of parent.grants ?? []) expect(claims.grants).toContain(grant);
      }
    });
  });

  test('nobody stands twice in subject and chain, and the chain is no deeper than allowed', () => {
    holdsForGranted((claims) => {
      const everybody = [claims.sub, ...actorChain(claims.act)];
      expect(new Set(everybody).size).toBe(everybody.length);
      expect(everybody.length).toBeLessThanOrEqual(actDepthMax + 1);
    });
  });
});

describe('refusals', () => {
  const good: MintRequest = {
    subject: principals[0] as Principal,
    clientId: 'cli',
    audience: 'https://files.test',
    scope: ['a'],
    ttlSeconds: 300,
  };
  const fine: AccessTokenClaims = {
    ...deriveClaims(ground, good, jti(), now),
    aud: ground.issuer,
  };
  const act: Actor = { sub: principals[1] as Principal };
  const acting: Actor = { sub: principals[2] as Principal, act };
  const refusal = (change: Partial<MintRequest>) => {
    try {
      deriveClaims(ground, { ...good, ...change }, jti(), now);
    } catch (error) {
      return (error as Refusal).reason;
    }
    return 'granted';
  };

  test('a request without a flaw is granted: what follows is refused for its flaw alone', () => {
    expect(refusal({ parents: [fine], act })).toBe('granted');
    expect(refusal({ parents: [{ ...fine, act }], act: acting })).toBe('granted');
    expect(refusal({ parents: [fine], impersonation: true })).toBe('granted');
  });

  test.each<[string, Partial<MintRequest>, string]>([
    ['no audience', { audience: '' }, 'invalid_request'],
    ['an audience without end', { audience: 'x'.repeat(2049) }, 'invalid_request'],
    ['no scope', { scope: [] }, 'invalid_scope'],
    ['a scope that no parent holds', { scope: ['b'], parents: [fine], act }, 'invalid_scope'],
    ['a session that has ended', { notAfter: now }, 'invalid_request'],
    ['a parent that has expired', { parents: [{ ...fine, exp: now }] }, 'invalid_request'],
    ['a parent of an earlier epoch', { parents: [{ ...fine, ep: 2 }] }, 'invalid_request'],
    ['a parent of a later epoch', { parents: [{ ...fine, ep: 4 }] }, 'invalid_request'],
    ['a parent of the gateway', { parents: [{ ...fine, use: 'gateway' }] }, 'invalid_request'],
    ['a parent of another tenant', { parents: [{ ...fine, tenant_id: 'ten_other' }] }, 'invalid_request'],
    ['a parent of another issuer', { parents: [{ ...fine, iss: 'https://id.test/t/other' }] }, 'invalid_request'],
    ['nobody who acts', { parents: [fine] }, 'invalid_request'],
    ['nobody who acts, after somebody did', { parents: [{ ...fine, act }] }, 'invalid_request'],
    ['the same actor again and nobody new', { parents: [{ ...fine, act }], act }, 'invalid_request'],
    [
      'another actor in the place of the one before',
      { parents: [{ ...fine, act }], act: { sub: acting.sub } },
      'invalid_request',
    ],
    [
      'the earlier actor put in front',
      { parents: [{ ...fine, act: { sub: acting.sub } }], act: { ...act, act: { sub: principals[3] as Principal } } },
      'invalid_request',
    ],
    ['an impersonation of who has an actor', { parents: [{ ...fine, act }], impersonation: true }, 'invalid_request'],
    [
      'an impersonation of who names an actor',
      { parents: [{ ...fine, may_act: { sub: act.sub } }], impersonation: true },
      'invalid_request',
    ],
    [
      'an impersonation by two tokens',
      { parents: [fine, { ...fine, jti: jti() }], impersonation: true },
      'invalid_request',
    ],
    [
      'parents of two sessions',
      {
        parents: [
          { ...fine, sid: 'ses_a' },
          { ...fine, sid: 'ses_b' },
        ],
        act,
      },
      'invalid_request',
    ],
    [
      'another session than the parent’s',
      { parents: [{ ...fine, sid: 'ses_a' }], act, sessionId: 'ses_b' as SessionId },
      'invalid_request',
    ],
    ['a subject who acts for itself', { act: { sub: principals[0] as Principal } }, 'invalid_request'],
  ])('%s', (_, change, reason) => {
    expect(refusal(change)).toBe(reason);
  });

  test('a chain of exactly the allowed depth passes and one more does not', () => {
    expect(refusal({ act: nest(principals.slice(1, 1 + actDepthMax)) as Actor })).toBe('granted');
    expect(refusal({ act: nest(principals.slice(1, 2 + actDepthMax)) as Actor })).toBe('invalid_request');
  });

  test('exactly the allowed number of ancestors passes and one more does not', () => {
    const withAncestors = (count: number) => [{ ...fine, pjti: Array.from({ length: count }, jti) }];
    expect(refusal({ parents: withAncestors(ancestorsMax - 1), act })).toBe('granted');
    expect(refusal({ parents: withAncestors(ancestorsMax), act })).toBe('invalid_request');
  });

  test('a token hangs on as many grants as it can carry, those of its parents counted, and not on one more', () => {
    const some = (count: number) => Array.from({ length: count }, () => newId(systemRuntime, 'gra'));
    const parent = { ...fine, grants: some(40) };
    const asked = { parents: [parent], act };
    expect(refusal({ ...asked, grants: [...parent.grants, ...some(grantsMax - 40)] as GrantId[] })).toBe('granted');
    expect(refusal({ ...asked, grants: some(grantsMax - 39) })).toBe('denied');
  });

  test('a lifetime that is no positive whole number is a programming error', () => {
    for (const ttlSeconds of [0, -1, 1.5, Number.NaN]) {
      expect(() => deriveClaims(ground, { ...good, ttlSeconds }, jti(), now)).toThrow(TypeError);
    }
  });
});

describe('handles', () => {
  const [subject, agent, service] = [
    principals[0],
    principals[1],
    `service:${idFromUuid('cli', uuid(1))}`,
  ] as Principal[];
  const base = { subject: subject as Principal, audience: 'x', scope: ['a'], ttlSeconds: 300 };
  const derive = (change: Partial<MintRequest> & { clientId: string }) =>
    deriveClaims(ground, { ...base, ...change }, jti(), now);

  test('the session of any parent is the child’s, also where the request names none', () => {
    const plain = derive({ clientId: 'cli' });
    const inSession = derive({ clientId: 'cli', sessionId: 'ses_a' as SessionId });
    const act = { sub: agent as Principal };
    for (const parents of [[inSession], [plain, inSession], [inSession, plain]]) {
      expect(derive({ clientId: 'cli', parents, act }).sid).toBe('ses_a');
    }
    expect(derive({ clientId: 'cli', parents: [plain], act })).not.toHaveProperty('sid');
  });

  test('the client of every ancestor is one, unless client_id or the chain names it or it is no registered one', () => {
    const [app, host, last] = [2, 3, 4].map((n) => idFromUuid('cli', uuid(n))) as string[] as [string, string, string];
    const first = derive({ clientId: app });
    const second = derive({ clientId: host, parents: [first], act: { sub: agent as Principal } });
    expect(second.pcid).toEqual([app]);
    const act = { sub: service as Principal, act: { sub: agent as Principal } };
    const third = derive({ clientId: service?.slice('service:'.length) as string, parents: [second], act });
    expect(third.pcid).toEqual([host, app]);
    const fourth = derive({ clientId: last, parents: [third], act: { sub: principals[2] as Principal, act } });
    expect(fourth.pcid).toEqual([host, app]);
    const ofSession = derive({ clientId: 'mono-auth-session' });
    expect(derive({ clientId: host, parents: [ofSession], act: { sub: agent as Principal } })).not.toHaveProperty(
      'pcid',
    );
    expect(derive({ clientId: app, parents: [first], act: { sub: agent as Principal } })).not.toHaveProperty('pcid');
  });

  test('may_act belongs to the one token: no child has it, and none may be given it', () => {
    const named = derive({ clientId: 'cli', mayAct: agent as Principal });
    expect(named.may_act).toEqual({ sub: agent });
    const act = { sub: agent as Principal };
    expect(derive({ clientId: 'cli', parents: [named], act })).not.toHaveProperty('may_act');
    expect(() => derive({ clientId: 'cli', parents: [named], act, mayAct: agent as Principal })).toThrow(TypeError);
  });

  test('how and when somebody signed in is of the one token, and of nothing that is made from it', () => {
    const authentication = { acr: 'urn:mfa', authTimeSeconds: now - 60 };
    const signedIn = derive({ clientId: 'cli', authentication });
    expect(signedIn).toMatchObject({ acr: 'urn:mfa', auth_time: now - 60 });
    const unsaid = { acr: undefined, authTimeSeconds: undefined };
    for (const claims of [
      derive({ clientId: 'cli', parents: [signedIn], act: { sub: agent as Principal } }),
      derive({ clientId: 'cli', authentication: unsaid }),
    ]) {
      expect(claims).not.toHaveProperty('acr');
      expect(claims).not.toHaveProperty('auth_time');
    }
  });

  test('to impersonate without a token, or with an actor beside, is a programming error', () => {
    const parent = derive({ clientId: 'cli' });
    expect(() => derive({ clientId: 'cli', impersonation: true })).toThrow(TypeError);
    const act = { sub: agent as Principal };
    expect(() => derive({ clientId: 'cli', impersonation: true, parents: [parent], act })).toThrow(TypeError);
  });
});

describe('lifetimes', () => {
  test('people get 600 s, whatever a machine holds 300 s, the gateway 60 s', () => {
    const user = principals[0] as Principal;
    const agent = principals[1] as Principal;
    expect(ttlSecondsMax({ subject: user })).toBe(600);
    expect(ttlSecondsMax({ subject: user, act: { sub: agent } })).toBe(300);
    expect(ttlSecondsMax({ subject: agent })).toBe(300);
    expect(ttlSecondsMax({ subject: user, use: 'gateway' })).toBe(60);
  });

  test('a lifetime that a client was approved for stands up to a day, never for the gateway, never beyond a parent', () => {
    const user = principals[0] as Principal;
    expect(ttlSecondsMax({ subject: user, ttlChosen: true })).toBe(86_400);
    expect(ttlSecondsMax({ subject: user, use: 'gateway', ttlChosen: true })).toBe(60);
    const base: MintRequest = { subject: user, clientId: 'cli', audience: 'x', scope: ['a'], ttlSeconds: 7200 };
    const lifetime = (change: Partial<MintRequest>) =>
      deriveClaims(ground, { ...base, ...change }, jti(), now).exp - now;
    expect(lifetime({})).toBe(600);
    expect(lifetime({ ttlChosen: true })).toBe(7200);
    expect(lifetime({ ttlChosen: true, ttlSeconds: 100_000 })).toBe(86_400);
    const parent = deriveClaims(ground, { ...base, ttlSeconds: 200 }, jti(), now);
    expect(lifetime({ ttlChosen: true, parents: [parent], impersonation: true })).toBe(200);
  });
});

test('an intersection of scopes commutes, is idempotent and keeps no repetition', () => {
  fc.assert(
    fc.property(scope, scope, (a, b) => {
      expect(intersectScope(a, b).sort()).toEqual(intersectScope(b, a).sort());
      expect(intersectScope([...a, ...a], a)).toEqual(intersectScope(a));
    }),
  );
});
