import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { create, type DescFile, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import { TokenService } from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWiresScene, type WiresScene } from './wires-scene.ts';

/** The contract as a descriptor set, as any client may have it. */
const directory = mkdtempSync(join(tmpdir(), 'mono-contract-'));
const schema = join(directory, 'contract.binpb');
const clientPath = fileURLToPath(new URL('./stock-client.mjs', import.meta.url));
const bufPath = fileURLToPath(import.meta.resolve('@bufbuild/buf/bin/buf'));

let db: TestDatabase;
let scene: WiresScene;
beforeAll(async () => {
  const file = [...filesOf(FeedService.file), ...filesOf(TenantService.file), ...filesOf(TokenService.file)].map(
    ({ proto }) => proto,
  );
  writeFileSync(
    schema,
    toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: [...new Set(file)] })),
  );
  db = await openTestDatabase();
  scene = await openWiresScene(db.database, testKek, 'acme');
});
afterAll(async () => {
  await scene.close();
  await db.close();
  rmSync(directory, { recursive: true });
});

/** A file of the contract with everything that it imports, imports first. */
const filesOf = (file: DescFile): DescFile[] => [...file.dependencies.flatMap(filesOf), file];

const wires = [
  ['connect', '1.1'],
  ['grpcweb', '1.1'],
  ['grpc', '2'],
  ['grpcweb', '2'],
  ['connect', '2'],
] as const;

const urlOf = (httpVersion: string) => (httpVersion === '2' ? scene.grpcUrl : `${scene.issuer}/rpc`);

test.each(wires)(
  'a stock client on Node calls, follows, resumes, takes a snapshot and exchanges a token: %s over HTTP/%s',
  async (protocol, httpVersion) => {
    const options = { protocol, baseUrl: urlOf(httpVersion), httpVersion, schema };
    const child = spawn('node', [clientPath, JSON.stringify(options)], {
      env: { ...process.env, TOKEN: scene.token, EXCHANGE: JSON.stringify(await scene.exchangeMessage()) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close');
    let result: Record<string, unknown> = {};
    for await (const line of createInterface(child.stdout)) {
      result = JSON.parse(line);
      if (!result.following) break;
      await scene.revokeSomething();
    }
    // Its connections would keep it for a while.
    child.kill();
    await closed;
    const [first = [], second = []] = result.seqs as number[][];
    expect(result).toMatchObject({ slug: 'acme', code: Code.OutOfRange, exchanged: 'Bearer' });
    expect(result.details).toContain('google.rpc.ErrorInfo');
    expect(second[0]).toBe((first.at(-1) ?? 0) + 1);
    const seq = second.at(-1);
    expect(result.snapshot).toEqual({ intact: true, headSeq: seq, seq });
  },
);

/** What `buf curl` wrote; it is ended once it has written `messages`. A credential goes in by stdin, never by its arguments. */
async function bufCurl(
  protocol: string,
  http2: boolean,
  method: string,
  data: object,
  { messages = 1, authorized = true } = {},
) {
  const args = [
    ...[bufPath, 'curl', '--schema', schema, '--protocol', protocol],
    ...(authorized ? ['--data', JSON.stringify(data), '--header', '@-'] : ['--data', '@-']),
    ...(http2 ? ['--http2-prior-knowledge'] : []),
    `${urlOf(http2 ? '2' : '1.1')}/${method}`,
  ];
  // A group of its own: the launcher that npm installs does not hand signals on to the program.
  const child = spawn('node', args, { stdio: 'pipe', detached: true });
  const closed = once(child, 'close');
  let [stdout, stderr] = ['', ''];
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    if (documentsIn(stdout).length >= messages) endGroup(child);
  });
  child.stdin.end(authorized ? `authorization: Bearer ${scene.token}\n` : JSON.stringify(data));
  await closed;
  return { messages: documentsIn(stdout), stderr };
}

function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid);
  } catch {
    // It has ended by itself.
  }
}

/** Documents one after the other, each indented: one ends where a brace stands at the beginning of a line. */
function documentsIn(text: string) {
  return text
    .split(/(?<=^})\n/m)
    .filter((part) => part.endsWith('}'))
    .map((part) => JSON.parse(part));
}

test.each([
  ['connect', false],
  ['grpcweb', false],
  ['grpc', true],
  ['grpcweb', true],
  ['connect', true],
] as const)('buf curl calls, follows, resumes and takes a snapshot: %s, over HTTP/2: %s', async (protocol, http2) => {
  const unary = await bufCurl(protocol, http2, 'monoauth.tenants.v1.TenantService/GetTenant', {});
  expect(unary.messages).toMatchObject([{ tenant: { slug: 'acme' } }]);

  const exchanged = await bufCurl(
    ...([protocol, http2, 'monoauth.tokens.v1.TokenService/Exchange', await scene.exchangeMessage()] as const),
    { authorized: false },
  );
  expect(exchanged.messages).toMatchObject([{ tokenType: 'Bearer', scope: 'orders:read' }]);

  const subscriberId = await scene.register(`buf ${protocol} ${http2}`);
  const watch = (cursor: object | undefined, messages: number) =>
    bufCurl(protocol, http2, 'monoauth.feed.v1.FeedService/Watch', { subscriberId, cursor }, { messages });
  const { incarnation, seq, hash } = (await watch(undefined, 2)).messages.at(-1).head;
  await scene.revokeSomething();
  const resumed = await watch({ incarnation, seq, hash }, 1);
  expect(resumed.messages[0].entries[0].seq).toBe(String(Number(seq) + 1));

  const taken = await bufCurl(protocol, http2, 'monoauth.feed.v1.FeedService/GetSnapshot', { subscriberId });
  const snapshot = JSON.parse(Buffer.from(taken.messages[0].piece, 'base64').toString());
  expect(snapshot).toMatchObject({ v: 1, seq: Number(taken.messages[0].head.seq) });

  const refused = await watch({ incarnation, seq, hash: Buffer.alloc(32).toString('base64') }, 1);
  const { code, details } = JSON.parse(refused.stderr);
  expect([code, details[0].type]).toEqual(['out_of_range', 'google.rpc.ErrorInfo']);
  expect(Buffer.from(details[0].value, 'base64').toString()).toContain('reset_required');
});
