import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { runConnections } from './load-connections.ts';
import type { LoadRequest, LoadTask } from './load-task.ts';
import { signAssertions } from './sign-assertions.ts';

/** The process of the load generator, the same for everybody: for each line of stdin one round. */

const form = { 'content-type': 'application/x-www-form-urlencoded' };

function wire(task: LoadTask, { path, headers, body, encoding }: LoadRequest): Uint8Array {
  const bytes = Buffer.from(body, encoding);
  const fields = { host: `${task.host}:${task.port}`, ...form, ...headers, 'content-length': bytes.length };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`), bytes]);
}

function requestsOf({ requests }: LoadTask): readonly LoadRequest[] {
  return typeof requests === 'string' ? (JSON.parse(readFileSync(requests, 'utf8')) as LoadRequest[]) : requests;
}

/** What is sent in the round, ready to be written: over and over, or each once where it holds an assertion or is asked for so. */
function supplyOf(task: LoadTask): () => Uint8Array | undefined {
  const requests = requestsOf(task);
  let at = 0;
  if (task.assertions) {
    const once = signAssertions(task.assertions).map((assertion, i) => {
      const request = requests[i % requests.length] as LoadRequest;
      return wire(task, { ...request, body: `${request.body}&${assertion}` });
    });
    return () => once[at++];
  }
  const bytes = requests.map((request) => wire(task, request));
  return () => bytes[task.once ? at++ : at++ % bytes.length];
}

for await (const line of createInterface(process.stdin)) {
  const task = JSON.parse(line) as LoadTask;
  const next = supplyOf(task);
  process.stdout.write(`${JSON.stringify(await runConnections({ ...task, next }))}\n`);
}
