/**
 * A service written by somebody else, in plain JavaScript on Node: it knows our contract as a descriptor set and nothing of
 * our code. Asks for its tenant, follows the feed until a new entry comes, resumes by its cursor, takes a snapshot,
 * and exchanges a token.
 * Usage: TOKEN=… EXCHANGE=… node stock-client.mjs '{"protocol","baseUrl","httpVersion","schema","subscriberId","cursor"}'
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';

const { protocol, baseUrl, httpVersion, schema } = JSON.parse(process.argv[2]);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(schema)));
const transports = { connect: createConnectTransport, grpc: createGrpcTransport, grpcweb: createGrpcWebTransport };
const transport = transports[protocol]({ baseUrl, httpVersion });
const headers = { authorization: `Bearer ${process.env.TOKEN}` };
const clientOf = (name) => createClient(registry.getService(name), transport);
const feed = clientOf('monoauth.feed.v1.FeedService');

/** Reads until the feed has more than the cursor says; the first head makes the caller append (a line on stdout). */
async function next(request) {
  const leave = new AbortController();
  let told = false;
  for await (const { entries, head } of feed.watch(request, { headers, signal: leave.signal })) {
    if (!told) process.stdout.write('{"following":true}\n');
    if (told && entries.length > 0) {
      const { incarnation, seq, hash } = head;
      return { cursor: { incarnation, seq, hash }, seqs: entries.map((entry) => Number(entry.seq)) };
    }
    told = true;
  }
  throw new Error('the stream ended');
}

const { tenant } = await clientOf('monoauth.tenants.v1.TenantService').getTenant({}, { headers });
const { subscriberId } = await feed.register({ name: `node ${protocol} ${httpVersion}` }, { headers });
const first = await next({ subscriberId });
const second = await next({ subscriberId, cursor: first.cursor });
const failure = await next({ subscriberId, cursor: { ...first.cursor, hash: new Uint8Array(32) } }).catch((e) => e);
const details = failure.details.map(({ type }) => type);
const messages = [];
for await (const message of feed.getSnapshot({ subscriberId, proven: second.cursor }, { headers }))
  messages.push(message);
const bytes = Buffer.concat(messages.map(({ piece }) => piece));
const intact = createHash('sha256').update(bytes).digest().equals(messages[0].snapshotHash);
const snapshot = { intact, headSeq: Number(messages[0].head.seq), seq: JSON.parse(bytes.toString()).seq };
// No token of its own: the client proves itself inside the message.
const exchanged = await clientOf('monoauth.tokens.v1.TokenService').exchange(JSON.parse(process.env.EXCHANGE));
process.stdout.write(
  `${JSON.stringify({ slug: tenant.slug, exchanged: exchanged.tokenType, seqs: [first.seqs, second.seqs], code: failure.code, details, snapshot })}\n`,
);
