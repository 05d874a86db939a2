import { base64url } from '@mono-auth/core/encoding';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { type ChildProgram, type StartOptions, startProgram } from '../child-program.ts';
import {
  askForOwnToken,
  askToExchange,
  basic,
  type Contestant,
  formRequest,
  scope,
  target,
  tokenOfForm,
} from './contestant.ts';
import { peerNames } from './peer-names.ts';
import type { PeerAnswer, PeerTask } from './peers/peer-task.ts';

export interface Peer {
  readonly rows: readonly Contestant[];
  readonly process: ChildProgram;
}

async function startPeer(program: string, start: StartOptions, databaseUrl: string) {
  const secret = base64url(runtime.randomBytes(32));
  const task: PeerTask = { clientId: 'bench', clientSecret: secret, target, scope, databaseUrl };
  const env = { BENCH_PEER: JSON.stringify(task) };
  const process = startProgram(`./tokens/peers/${program}.ts`, env, { quiet: true, ...start });
  const answer = JSON.parse(await process.line()) as PeerAnswer;
  const common = {
    server: { url: new URL(answer.origin), pid: process.pid },
    issuers: new Map([[answer.issuer, new URL(answer.jwksPath, answer.origin)]]),
    tokenOf: tokenOfForm,
  };
  const request = (fields: Record<string, string>) => formRequest(answer.tokenPath, fields, basic(answer.client));
  return { process, common, request, tokenUrl: new URL(answer.tokenPath, answer.origin) };
}

/** oidc-provider, which keeps and records nothing. */
export async function startOidcProvider(start: StartOptions): Promise<Peer> {
  const { process, common, request, tokenUrl } = await startPeer('oidc-provider', start, '');
  const own = request(askForOwnToken);
  const issued = await fetch(tokenUrl, {
    method: 'POST',
    headers: { ...own.headers, 'content-type': 'application/x-www-form-urlencoded' },
    body: own.body,
  });
  // Its tokens outlive the run, so one subject serves every round.
  const exchange = request(askToExchange(tokenOfForm(await issued.text())));
  return {
    process,
    rows: [
      { ...common, name: peerNames.oidcOwn, prepare: async () => ({ requests: [own] }) },
      { ...common, name: peerNames.oidcExchange, prepare: async () => ({ requests: [exchange] }) },
    ],
  };
}

/** Better Auth with its own OAuth provider, which keeps clients, resources and keys in PostgreSQL. */
export async function startBetterAuth(start: StartOptions, databaseUrl: string): Promise<Peer> {
  const { process, common, request } = await startPeer('better-auth', start, databaseUrl);
  const requests = [request(askForOwnToken)];
  return { process, rows: [{ ...common, name: peerNames.betterAuthOwn, prepare: async () => ({ requests }) }] };
}
