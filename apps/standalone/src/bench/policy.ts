import { newId } from '@mono-auth/core/ids';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import {
  type DecisionRequest,
  defaultPolicyText,
  openEngine,
  type PolicyEngine,
  policySchemaVersion,
} from '@mono-auth/policy-engine';

/** Rounds of each kind, alternating, so that a slow moment of the machine meets all of them. */
const rounds = 4;
const roundMs = 500;
/** Between two looks at the clock: a compiled decision takes hardly longer than the look. */
const decisionsPerLook = 64;
/** Policies of the large set, of a size as few tenants have it. */
const policiesMany = 200;

interface Kind {
  readonly set: string;
  readonly name: string;
  readonly engine: PolicyEngine;
  decisions: number;
  elapsedMs: number;
}

/** Decisions a second by compiled policies as they serve, sampled checks included, beside Cedar alone on the same set. */
export async function benchPolicy(): Promise<void> {
  const kinds = [...kindsOf('default set', defaultPolicyText), ...kindsOf(`${policiesMany} policies`, manyPolicies())];
  for (const kind of kinds) run({ ...kind }, roundMs);
  for (let round = 0; round < rounds; round++) for (const kind of kinds) run(kind, roundMs);
  print(kinds);
}

function kindsOf(set: string, policyText: string): Kind[] {
  const snapshot = { tenantId: newId(runtime, 'ten'), version: 1, policyText, schemaVersion: policySchemaVersion };
  const [compiled, cedar] = [openEngine(snapshot), openEngine(snapshot, { cedarAlone: true })];
  for (const request of requests) {
    const [ours, theirs] = [compiled.decide(request), cedar.decide(request)].map((answer) => JSON.stringify(answer));
    if (ours !== theirs) throw new TypeError(`the two disagree: ${ours} and ${theirs}`);
  }
  return [
    { set, name: 'compiled', engine: compiled, decisions: 0, elapsedMs: 0 },
    { set, name: 'Cedar alone', engine: cedar, decisions: 0, elapsedMs: 0 },
  ];
}

/** A person's service token, an agent's, and the two grants. */
const requests: readonly DecisionRequest[] = [
  { action: 'orders:read', context: { scope: ['openid', 'orders:read', 'orders:write'] } },
  { action: 'orders:write', context: { scope: ['orders:read'], actors: ['agent:agt_1', 'host:hst_1'] } },
  { action: 'token.issue', context: { audience: 'https://api.example', client_id: 'cli_1' } },
  { action: 'token.exchange', context: { scope: ['orders:read'], actors: ['agent:agt_1'] } },
].map((asked) => ({ principal: 'user:usr_1', resource: { type: 'order', id: '17' }, ...asked }));

/** The default set and, by turns, policies on a scope, a kind of resource, an actor and a single person. */
function manyPolicies(): string {
  const forms = [
    (at: number) => `permit (principal is User, action == Action::"access", resource)
      when { context.operation == "things${at}:read" && context has scope && context.scope.contains("things${at}") };`,
    (at: number) => `forbid (principal, action == Action::"access", resource)
      when { resource.kind == "vault${at}" && !(context has tenant_role && context.tenant_role == "admin") };`,
    (at: number) => `forbid (principal, action in [Action::"token.issue", Action::"token.exchange"], resource)
      when { context has audience && context.audience like "https://closed${at}.*" };`,
    (at: number) => `forbid (principal == User::"usr_closed${at}", action, resource);`,
    (at: number) => `forbid (principal, action == Action::"token.exchange", resource)
      when { context has actor && ["agent:agt_closed${at}"].contains(context.actor) };`,
  ];
  const more = Array.from({ length: policiesMany - 4 }, (_, at) => forms[at % forms.length]?.(at));
  return [defaultPolicyText, ...more].join('\n');
}

function run(kind: Kind, forMs: number): void {
  const started = runtime.monotonicMs();
  let now = started;
  while (now < started + forMs) {
    for (let at = 0; at < decisionsPerLook; at++) {
      kind.engine.decide(requests[at % requests.length] as DecisionRequest);
    }
    kind.decisions += decisionsPerLook;
    now = runtime.monotonicMs();
  }
  kind.elapsedMs += now - started;
}

function print(kinds: readonly Kind[]): void {
  console.log(`policy decisions on one thread, ${rounds} alternating rounds of ${roundMs} ms\n`);
  const line = (...cells: string[]) =>
    console.log(cells.map((cell, i) => (i ? cell.padStart(16) : cell.padEnd(28))).join(''));
  line('', 'decisions/s', 'µs a decision', 'of Cedar alone');
  for (const { set, name, decisions, elapsedMs } of kinds) {
    const cedar = kinds.find((kind) => kind.set === set && kind.name === 'Cedar alone');
    const perSecond = (decisions / elapsedMs) * 1_000;
    const ratio = cedar ? perSecond / ((cedar.decisions / cedar.elapsedMs) * 1_000) : Number.NaN;
    line(`${set}, ${name}`, perSecond.toFixed(0), (1e6 / perSecond).toFixed(2), `${ratio.toFixed(1)}x`);
  }
}
