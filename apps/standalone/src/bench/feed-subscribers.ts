import { createInterface } from 'node:readline';
import { createClient } from '@connectrpc/connect';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { RevocationService } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import { createRpcTransport } from '@mono-auth/sdk';
import { Person } from '../tour/person.ts';
import { startProvers, startStreams } from './enforcers.ts';

/** The process of the subscribers: for each line of stdin one measurement, whose result is a line of stdout. */
export interface EnforcementTask {
  readonly subscribers: number;
  /** Revocations at most, and how long the last one may begin after the first. */
  readonly rounds: number;
  readonly msMax: number;
  /** Each subscriber proves every head by itself, or each has its stream and they share one proof. */
  readonly proofs: 'own' | 'shared';
}

/** Milliseconds from before the revoking call. */
export interface Enforced {
  /** Until the last subscriber refused, for each revocation. */
  everyMs: number[];
  /** Until one subscriber refused. */
  eachMs: number[];
  /** Until the call was answered. */
  revokeMs: number[];
}

/** Pause before a revocation, in which the acknowledgements of the last one settle. */
const pauseMs = 100;
/** Revocations before the first that counts: code is compiled and pools are filled by then. */
const warmUpRounds = 10;

async function measure(
  { subscribers, rounds, msMax, proofs }: EnforcementTask,
  at: { baseUrl: string; slug: string; email: string; password: string },
): Promise<Enforced> {
  const person = await Person.signIn(at.baseUrl, at.slug, at.email, at.password);
  const token = await person.token();
  const start = proofs === 'own' ? startProvers : startStreams;
  const enforcers = await start(person.issuer, token, subscribers);
  const transport = createRpcTransport({ issuer: person.issuer, tokens: async () => token });
  const revocations = createClient(RevocationService, transport);
  const result: Enforced = { everyMs: [], eachMs: [], revokeMs: [] };
  let endMs = Number.POSITIVE_INFINITY;
  for (let round = -warmUpRounds; round < rounds && runtime.monotonicMs() < endMs; round++) {
    if (round === 0) endMs = runtime.monotonicMs() + msMax;
    const victim = await person.token();
    for (const { verifier } of enforcers) await verifier.verify(victim);
    await runtime.sleep(pauseMs);
    // What this round has made here is cleaned up before the measured time: a subscriber's own process holds a hundredth
    // of it. The server collects when it will.
    Bun.gc(true);
    const refused = enforcers.map((enforcer) => enforcer.untilRefused(victim));
    const target = { target: { case: 'tokenId' as const, value: tokenIdOf(victim) } };
    const sentAtMs = runtime.monotonicMs();
    await revocations.revoke({ target, reason: 'bench' });
    const revokeMs = runtime.monotonicMs() - sentAtMs;
    const each = (await Promise.all(refused)).map((atMs) => atMs - sentAtMs);
    if (round < 0) continue;
    result.revokeMs.push(revokeMs);
    result.eachMs.push(...each);
    result.everyMs.push(Math.max(...each));
  }
  await Promise.all(enforcers.map((enforcer) => enforcer.close()));
  return result;
}

function tokenIdOf(token: string): string {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string };
  return claims.jti;
}

const {
  BENCH_URL: baseUrl = '',
  BENCH_TENANT: slug = '',
  BENCH_EMAIL: email = '',
  BENCH_PASSWORD: password = '',
} = process.env;
for await (const line of createInterface(process.stdin)) {
  const task = JSON.parse(line) as EnforcementTask;
  process.stdout.write(`${JSON.stringify(await measure(task, { baseUrl, slug, email, password }))}\n`);
}
