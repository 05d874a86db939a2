import { Refusal } from '@mono-auth/core/errors';
import { type GrantId, type Id, type IdKind, idFromUuid } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import { type AccessTokenClaims, actorChain } from '@mono-auth/core/token-claims';
import { payload, RevocationState, type RevocationTarget } from '@mono-auth/feed-engine';
import { expect, test } from 'vitest';
import {
  exchangeInGraph,
  type GraphAgent,
  type GraphEdge,
  type GraphExchange,
  graphGround,
  graphNow,
  mintInGraph,
  type Party,
} from './delegation-graph.ts';

const graphs = 10_000;
const { issuer } = graphGround;
const numbered = <K extends IdKind>(kind: K, n: number): Id<K> =>
  idFromUuid(kind, `01890000-0000-7000-8000-0000000001${n.toString(16).padStart(2, '0')}`);
const scopes = ['a', 'b', 'c'];
const users = [0, 1, 2].map((n): Principal => `user:${numbered('usr', n)}`);
const resources = ['https://one.test', 'https://two.test', 'https://three.test', 'https://four.test'];

/** A row of numbers that a seed gives away: what fails is found again by its number. */
class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed * 2_654_435_761;
  }
  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  }
  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
  some<T>(list: readonly T[]): T[] {
    const found = list.filter(() => this.below(4) > 0);
    return found.length > 0 ? found : [this.one(list)];
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

interface World {
  readonly parties: readonly Party[];
  readonly agents: readonly GraphAgent[];
  readonly edges: readonly GraphEdge[];
}

function makeWorld(dice: Dice): World {
  const party = (name: string, kind: Party['kind'], n: number, resource?: string): Party => {
    const clientId = numbered('cli', n);
    const principals = {
      host: `host:${numbered('hst', n)}`,
      service: `service:${clientId}`,
      machine: `client:${clientId}`,
    };
    const held = [...dice.some(scopes), ...(dice.chance(50) ? ['tokens:impersonate'] : [])];
    return { name, kind, clientId, principal: principals[kind] as Principal, scopes: held, resource };
  };
  const hosts = [0, 1].map((n) => party(`host ${n}`, 'host', n));
  const services = resources.map((resource, n) => party(`service ${n}`, 'service', 10 + n, resource));
  const agents = hosts.flatMap((host, h) =>
    [0, 1].map((n): GraphAgent => {
      const principal: Principal = `agent:${numbered('agt', 2 * h + n)}`;
      return { principal, host, owner: dice.one(users), scopes: dice.some(scopes) };
    }),
  );
  const edges = users.flatMap((user, u) =>
    agents.flatMap(({ principal: agent }, a): GraphEdge[] => {
      if (!dice.chance(50)) return [];
      const audiences = dice.chance(50) ? [] : dice.some(resources);
      const expiresAtSeconds = graphNow + 1 + dice.below(600);
      return [{ id: numbered('gra', 10 * u + a), user, agent, scopes: dice.some(scopes), audiences, expiresAtSeconds }];
    }),
  );
  return { parties: [...hosts, ...services, party('machine', 'machine', 20)], agents, edges };
}

/** A token and what it was made from: all that the reference knows. */
interface Node {
  readonly claims: AccessTokenClaims;
  readonly sub: Principal;
  /** Who acted in this step, nearest first; nobody for a person's own token and an impersonation. */
  readonly actors: readonly Principal[];
  readonly audience: string;
  readonly clientId: string;
  readonly scope: readonly (readonly string[])[];
  readonly endsAt: number;
  readonly sid?: string;
  readonly grants: readonly string[];
  readonly mayAct?: Principal;
  readonly from: readonly Node[];
}

// The reference: each property as plainly as it can be said, by walking the graph.
const lineage = (node: Node): Node[] => [node, ...node.from.flatMap(lineage)];
const chainOf = (node: Node): Principal[] => [...node.actors, ...(node.from[0] ? chainOf(node.from[0]) : [])];
const expOf = (node: Node): number => Math.min(...lineage(node).map(({ endsAt }) => endsAt));
const mayHold = (node: Node, value: string) =>
  lineage(node).every(({ scope }) => scope.every((s) => s.includes(value)));
const heldBy = (node: Node) => ['a', 'b', 'c', 'tokens:impersonate'].filter((value) => mayHold(node, value));

/** Who acts, as the story has it; undefined where nobody may. */
function actorsOf({ by, subject, actor, impersonate }: Asked, { agents, edges }: World): Step | undefined {
  const sentToParty = by.resource !== undefined && subject.audience === by.resource;
  if (!sentToParty && subject.audience !== issuer) return undefined;
  const before = chainOf(subject);
  if (impersonate) {
    const trusted = by.kind !== 'host' && by.scopes.includes('tokens:impersonate');
    return trusted && !actor && before.length === 0 && !subject.mayAct ? { actors: [] } : undefined;
  }
  let actors: Principal[];
  if (actor) {
    const ofParty = actor.audience === issuer && actor.clientId === by.clientId;
    const itself = actor.sub === by.principal && chainOf(actor).length === 0;
    const itsAgent = by.kind === 'host' && actor.sub.startsWith('agent:') && chainOf(actor).join() === by.principal;
    if (!ofParty || !(itself || itsAgent)) return undefined;
    actors = itself ? [by.principal] : [actor.sub, by.principal];
  } else {
    if (!sentToParty && (by.kind === 'host' || before.length > 0 || subject.mayAct)) return undefined;
    actors = [by.principal];
  }
  const [now] = actors as [Principal];
  if (subject.mayAct && subject.mayAct !== now) return undefined;
  const agent = agents.find(({ principal }) => principal === now);
  const edge = edges.find((each) => each.user === subject.sub && each.agent === now);
  if (!subject.sub.startsWith('user:') || subject.mayAct) return { actors, ...(agent && { agent }) };
  if (by.kind === 'host' && !agent) return undefined;
  if (!agent) return { actors };
  if (!edge && agent.owner !== subject.sub) return undefined;
  return { actors, agent, ...(edge && { edge }) };
}

interface Step {
  readonly actors: readonly Principal[];
  readonly agent?: GraphAgent;
  readonly edge?: GraphEdge;
}
type Asked = Omit<GraphExchange, 'subject' | 'actor'> & { readonly subject: Node; readonly actor: Node | undefined };

/** The node that should come of an exchange; undefined where it should be refused. */
function expected(asked: Asked, world: World): Omit<Node, 'claims'> | undefined {
  const step = actorsOf(asked, world);
  if (!step) return undefined;
  const { by, subject, actor, target, scope } = asked;
  const { agent, edge } = step;
  if (edge && edge.audiences.length > 0 && !edge.audiences.includes(target)) return undefined;
  const node: Omit<Node, 'claims'> = {
    ...{ sub: subject.sub, actors: step.actors, audience: target, clientId: by.clientId },
    scope: [by.scopes, ...(scope ? [scope] : []), ...(agent ? [agent.scopes] : []), ...(edge ? [edge.scopes] : [])],
    endsAt: Math.min(graphNow + 300, edge?.expiresAtSeconds ?? Number.POSITIVE_INFINITY),
    grants: edge ? [edge.id] : [],
    from: actor ? [subject, actor] : [subject],
  };
  const whole = node as Node;
  const everybody = [node.sub, ...chainOf(whole)];
  if (everybody.length > 6 || new Set(everybody).size < everybody.length) return undefined;
  if (
    new Set(
      lineage(whole)
        .slice(1)
        .map(({ claims }) => claims.jti),
    ).size > 10
  )
    return undefined;
  return heldBy(whole).length > 0 ? node : undefined;
}

function root(dice: Dice, { parties, agents }: World): Node {
  const chosen = dice.some(scopes);
  const ttl = 1 + dice.below(600);
  if (dice.chance(45)) {
    const agent = dice.one(agents);
    const itself = dice.chance(25);
    const party = itself ? dice.one(parties) : agent.host;
    const [subject, act] = itself ? [party.principal, undefined] : [agent.principal, { sub: party.principal }];
    const claims = mintInGraph({
      ...{ subject, clientId: party.clientId, audience: issuer, scope: chosen, ttlSeconds: ttl, ...(act && { act }) },
    });
    const actors = act ? [act.sub] : [];
    const endsAt = graphNow + Math.min(ttl, 300);
    return {
      ...{ claims, sub: subject, actors, audience: issuer, clientId: party.clientId, scope: [chosen], endsAt },
      grants: [],
      from: [],
    };
  }
  const sub = dice.one(users);
  const byApp = dice.chance(40);
  const audience = dice.chance(60) ? issuer : dice.one(resources);
  const clientId = byApp ? numbered('cli', 30 + dice.below(2)) : 'mono-auth-session';
  const grants = byApp ? [numbered('gra', 100 + dice.below(3))] : [];
  const sid = byApp && dice.chance(50) ? undefined : numbered('ses', dice.below(4));
  const mayAct = audience === issuer && dice.chance(20) ? dice.one(agents).principal : undefined;
  const claims = mintInGraph({
    ...{ subject: sub, clientId, audience, scope: chosen, ttlSeconds: ttl, grants },
    ...(sid && { sessionId: sid }),
    ...(mayAct && { mayAct }),
  });
  return {
    ...{ claims, sub, actors: [], audience, clientId, scope: [chosen], endsAt: graphNow + ttl, grants, from: [] },
    ...(sid && { sid }),
    ...(mayAct && { mayAct }),
  };
}

/** Mostly what could be granted, so that chains grow; now and then anything at all. */
function ask(dice: Dice, { parties, agents }: World, nodes: readonly Node[]): Asked {
  const subject = dice.chance(60) ? (nodes.at(-1 - dice.below(3)) ?? dice.one(nodes)) : dice.one(nodes);
  const receiver = parties.find(({ resource }) => resource !== undefined && resource === subject.audience);
  const by = receiver && dice.chance(80) ? receiver : dice.one(parties);
  const actors = nodes.filter(
    ({ clientId, sub }) => clientId === by.clientId && agents.some((a) => a.principal === sub),
  );
  const actor = !dice.chance(by.kind === 'host' ? 95 : 10)
    ? undefined
    : dice.chance(90)
      ? actors.at(-1)
      : dice.one(nodes);
  const target = dice.chance(90) ? dice.one(resources) : issuer;
  const scope = dice.chance(40) ? dice.some([...scopes, 'z']) : undefined;
  return { by, subject, actor, target, scope, impersonate: dice.chance(10) };
}

/** Every handle that a token names of itself, not of its ancestors. */
function handlesOf({ claims, sub, actors, clientId, sid, grants }: Node): RevocationTarget[] {
  const principals = [sub, ...actors].map((principal) => {
    const [kind = '', id = ''] = principal.split(':');
    return { kind: kind === 'service' ? 'client' : kind, id } as RevocationTarget;
  });
  return [
    { kind: 'token', jti: claims.jti },
    ...principals,
    ...(sid ? [{ kind: 'session', sid } as const] : []),
    ...(clientId.startsWith('cli_') ? [{ kind: 'client', id: clientId } as RevocationTarget] : []),
    ...grants.map((id) => ({ kind: 'grant', id: id as GrantId }) as const),
  ];
}

const sorted = (values: Iterable<string>) => [...new Set(values)].sort();

/** What a token says, in an order of its own: one text for one statement. */
const said = (token: Readonly<Record<string, unknown>>) => JSON.stringify(token);

/** @throws AssertionError unless the token is what the reference says. */
function compare(claims: AccessTokenClaims, node: Node, seed: number): void {
  const ancestors = lineage(node).slice(1);
  const is = {
    ...{ sub: claims.sub, aud: claims.aud, exp: claims.exp, sid: claims.sid, chain: actorChain(claims.act) },
    ...{ scope: sorted(claims.scope.split(' ')), pjti: sorted(claims.pjti ?? []), grants: sorted(claims.grants ?? []) },
    mayAct: claims.may_act,
  };
  const should = {
    ...{ sub: node.sub, aud: node.audience, exp: expOf(node) },
    sid: lineage(node).find((each) => each.sid !== undefined)?.sid,
    ...{ chain: chainOf(node), scope: sorted(heldBy(node)) },
    pjti: sorted(ancestors.map(({ claims: { jti } }) => jti)),
    grants: sorted(lineage(node).flatMap(({ grants }) => grants)),
    mayAct: undefined,
  };
  if (said(is) !== said(should)) expect(is, `graph ${seed}`).toEqual(should);
}

const tally = { granted: 0, refused: 0, impersonated: 0, deepest: 0, dead: 0, alive: 0 };

function growGraph(seed: number): Node[] {
  const dice = new Dice(seed);
  const world = makeWorld(dice);
  const nodes = [root(dice, world), root(dice, world), root(dice, world)];
  for (let i = 0; i < 9; i++) {
    if (dice.chance(25)) {
      nodes.push(root(dice, world));
      continue;
    }
    const asked = ask(dice, world, nodes);
    const node = expected(asked, world);
    const claims = attempt(asked, world);
    if ((claims === undefined) !== (node === undefined)) {
      throw new Error(`graph ${seed}: ${claims ? 'granted' : 'refused'} what should not be`);
    }
    if (!claims || !node) {
      tally.refused += 1;
      continue;
    }
    const made = { ...node, claims };
    compare(claims, made, seed);
    tally.granted += 1;
    if (asked.impersonate) tally.impersonated += 1;
    tally.deepest = Math.max(tally.deepest, chainOf(made).length);
    nodes.push(made);
  }
  return nodes;
}

function attempt(asked: Asked, { agents, edges }: World): AccessTokenClaims | undefined {
  try {
    const tokens = { subject: asked.subject.claims, actor: asked.actor?.claims };
    return exchangeInGraph({ ...asked, ...tokens }, agents, edges);
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

/** Whatever is revoked, it kills those that name it and what was made from them, and nobody else. */
function revokeOne(nodes: readonly Node[], seed: number): void {
  const dice = new Dice(seed + 1_000_000);
  const target = dice.one(handlesOf(dice.one(nodes)));
  const state = new RevocationState();
  const bytes = payload.encodePayload('revocation', { v: 1, id: numbered('rev', 1), target, reason: '' });
  state.apply({ seq: 1, kind: 'revocation', payload: bytes, createdAtMs: 0 });
  const wanted = JSON.stringify(target);
  const naming = new Set(nodes.filter((node) => handlesOf(node).some((handle) => JSON.stringify(handle) === wanted)));
  for (const node of nodes) {
    const dies = lineage(node).some(({ claims: { jti } }) => [...naming].some((each) => each.claims.jti === jti));
    if (state.isRevoked(node.claims).revoked !== dies)
      throw new Error(`graph ${seed}: ${wanted} should ${dies ? '' : 'not '}kill`);
    tally[dies ? 'dead' : 'alive'] += 1;
  }
}

test(`in ${graphs} random delegation graphs every token is that of a naive walk, and a revoked handle kills exactly its descendants`, () => {
  for (let seed = 1; seed <= graphs; seed++) revokeOne(growGraph(seed), seed);
  // What was never met proves nothing.
  expect(tally.granted).toBeGreaterThan(graphs);
  expect(tally.refused).toBeGreaterThan(graphs);
  expect(tally.impersonated).toBeGreaterThan(graphs / 100);
  expect(tally.deepest).toBe(5);
  expect(tally.dead).toBeGreaterThan(graphs);
  expect(tally.alive).toBeGreaterThan(graphs);
}, 60_000);
