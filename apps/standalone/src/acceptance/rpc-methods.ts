import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type DescMethod, type DescService, fromJson, type JsonValue, type Message } from '@bufbuild/protobuf';
import { ConnectError } from '@connectrpc/connect';
import { reasonOf } from '@mono-auth/transport';
import { rpcClient } from '../tour/person.ts';

export interface Rpc {
  /** As in monoauth.feed.v1.FeedService/Watch. */
  readonly name: string;
  readonly service: DescService;
  readonly method: DescMethod;
}

const generated = join(import.meta.dirname, '../../../../packages/proto/src/monoauth');

/** Every RPC of the contract, found by walking the generated files: a new one is in the list without being named. */
export async function readRpcs(): Promise<Rpc[]> {
  const files = readdirSync(generated, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('_pb.js'));
  const modules = await Promise.all(files.sort().map((file) => import(pathToFileURL(join(generated, file)).href)));
  return modules
    .flatMap((module: object) => Object.values(module).filter(isService))
    .flatMap((service) =>
      service.methods.map((method) => ({ name: `${service.typeName}/${method.name}`, service, method })),
    );
}

function isService(value: unknown): value is DescService {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'service';
}

/** Calls an RPC with a message in JSON form by a stock Connect client. A stream is left after its first message. */
export async function callRpc(
  { service, method }: Rpc,
  issuer: string,
  message: JsonValue,
  token: string | undefined,
): Promise<Message> {
  const client = rpcClient(issuer, service, token) as unknown as Record<string, (input: Message) => unknown>;
  const answer = client[method.localName]?.(fromJson(method.input, message));
  if (method.methodKind === 'unary') return answer as Promise<Message>;
  for await (const first of answer as AsyncIterable<Message>) return first;
  throw new Error('the stream ended without a message');
}

/** How a call was refused. @throws Error when it was not. */
export async function refusalOf(call: Promise<unknown>): Promise<{ reason: string | undefined; text: string }> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectError)) throw new Error(`not refused by the server: ${error}`);
  return { reason: reasonOf(error), text: error.rawMessage };
}

/** A text of at least this length may hold something in base64: shorter than any id. */
const encodedText = /[A-Za-z0-9+/_-]{20,}={0,2}/g;

/** Everything that can be read in an answer: its strings, its bytes, and what either holds in base64. */
export function readableText(value: unknown): string {
  if (value instanceof Uint8Array) return withDecoded(Buffer.from(value).toString('latin1'));
  if (typeof value === 'string') return withDecoded(value);
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, member]) => `${name} ${readableText(member)}`)
    .join('\n');
}

function withDecoded(text: string): string {
  const decoded = text.match(encodedText)?.map((encoded) => Buffer.from(encoded, 'base64').toString('latin1')) ?? [];
  return [text, ...decoded].join('\n');
}
