import { connect } from 'node:http2';
import { createInterface } from 'node:readline';
import { create, toBinary } from '@bufbuild/protobuf';
import { concatBytes } from '@mono-auth/core/encoding';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { FeedService, WatchRequestSchema } from '@mono-auth/proto/monoauth/feed/v1/feed';

/** The process of the readers: for each line of stdin one round, whose count is a line of stdout. */
interface Task {
  readonly kind: string;
  readonly streams: number;
  readonly roundMs: number;
  readonly http1: number;
  readonly http2: number;
  readonly frameBytes: number;
}

const path = `/${FeedService.typeName}/${FeedService.method.watch.name}`;
/** Time in which streams open and settle before counting, as a share of the round. */
const warmUp = 0.4;

async function count(task: Task): Promise<{ messages: number; elapsedMs: number }> {
  let bytes = 0;
  const heard = (length: number) => {
    bytes += length;
  };
  const leave = new AbortController();
  const open = task.kind.endsWith('h2') ? openHttp2 : openHttp1;
  const ended = await Promise.all(Array.from({ length: task.streams }, () => open(task, heard, leave.signal)));
  await runtime.sleep(task.roundMs * warmUp);
  const [bytesBefore, startedMs] = [bytes, runtime.monotonicMs()];
  await runtime.sleep(task.roundMs);
  const result = { messages: (bytes - bytesBefore) / task.frameBytes, elapsedMs: runtime.monotonicMs() - startedMs };
  leave.abort();
  await Promise.all(ended.map(({ done }) => done));
  return result;
}

type Open = (task: Task, heard: (length: number) => void, signal: AbortSignal) => Promise<{ done: Promise<unknown> }>;

const openHttp1: Open = async ({ http1, kind }, heard, signal) => {
  const headers = { 'content-type': 'application/connect+proto', authorization: 'Bearer x' };
  const url = `http://127.0.0.1:${http1}${path}`;
  const answer = await fetch(url, { method: 'POST', headers, body: requestOf(kind), signal });
  const read = async () => {
    for await (const chunk of answer.body ?? []) heard(chunk.length);
  };
  return { done: read().catch(() => {}) };
};

const openHttp2: Open = async ({ http2, kind }, heard, signal) => {
  const session = connect(`http://127.0.0.1:${http2}`);
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' });
  stream.on('data', (chunk: Uint8Array) => heard(chunk.length));
  stream.on('error', () => {});
  signal.addEventListener('abort', () => session.destroy());
  const done = new Promise((resolve) => session.on('close', resolve));
  stream.end(requestOf(kind));
  await new Promise((resolve) => stream.on('response', resolve));
  return { done };
};

function requestOf(kind: string): Uint8Array<ArrayBuffer> {
  const [subscriberId = ''] = kind.split('-');
  const message = toBinary(WatchRequestSchema, create(WatchRequestSchema, { subscriberId }));
  return concatBytes(Uint8Array.of(0, 0, 0, 0, message.length), message);
}

for await (const line of createInterface(process.stdin)) {
  process.stdout.write(`${JSON.stringify(await count(JSON.parse(line) as Task))}\n`);
}
