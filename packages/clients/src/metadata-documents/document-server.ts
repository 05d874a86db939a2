import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A site of a client, on loopback: what it serves at each path, and what it was asked. */
export interface DocumentServer {
  readonly origin: string;
  readonly asked: string[];
  /** Serves metadata whose client_id is its own URL, unless it says otherwise. @returns the URL. */
  serve(path: string, metadata: object, headers?: Record<string, string>): string;
  answer(path: string, answer: (response: ServerResponse) => void): string;
  close(): void;
}

export async function openDocumentServer(): Promise<DocumentServer> {
  const answers = new Map<string, (response: ServerResponse) => void>();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const answer = answers.get(request.url ?? '');
    if (answer) answer(response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    asked,
    serve(path, metadata, headers = {}) {
      const body = JSON.stringify({ client_id: `${origin}${path}`, ...metadata });
      answers.set(path, (response) => {
        response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body);
      });
      return `${origin}${path}`;
    },
    answer(path, answer) {
      answers.set(path, answer);
      return `${origin}${path}`;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
