import { connect } from 'node:net';
import type { JsonObject } from '@bufbuild/protobuf';

export interface RawRequest {
  readonly method: string;
  /** Goes over the wire as it stands. */
  readonly target: string;
  /** Go over the wire as they stand: `Host` is the caller's to name. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body?: string;
}

export interface RawAnswer {
  readonly status: number;
  readonly text: string;
  /** The JSON object in the answer; empty when there is none. */
  readonly body: JsonObject;
}

/** One request with nothing done to it on the way: no path is folded, no header renamed, merged or dropped. */
export function sendRaw(port: number, { method, target, headers, body = '' }: RawRequest): Promise<RawAnswer> {
  const lines = [
    `${method} ${target} HTTP/1.1`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve({ status: Number(text.slice(9, 12)), text, body: jsonIn(text) }));
  });
}

function jsonIn(text: string): JsonObject {
  const [start, end] = [text.indexOf('{', text.indexOf('\r\n\r\n')), text.lastIndexOf('}')];
  return start < 0 ? {} : (JSON.parse(text.slice(start, end + 1)) as JsonObject);
}
