/** An HTTP/1.1 answer to a request that was not HEAD. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

const headEnd = '\r\n\r\n';

/**
 * Reads one answer (RFC 9112 §6) from what has come so far; undefined while there is more to come. The body has a length or
 * is chunked: a connection that is kept alive has no third way to end one.
 */
export function readAnswer(text: string): HttpAnswer | undefined {
  const bodyAt = text.indexOf(headEnd);
  if (bodyAt === -1) return undefined;
  const head = text.slice(0, bodyAt).toLowerCase();
  const status = Number(head.slice(9, 12));
  const rest = text.slice(bodyAt + headEnd.length);
  const lengthAt = head.indexOf('\r\ncontent-length:');
  if (lengthAt !== -1) {
    const length = Number.parseInt(head.slice(lengthAt + 17), 10);
    return rest.length < length ? undefined : { status, body: rest.slice(0, length) };
  }
  if (head.includes('\r\ntransfer-encoding: chunked')) {
    const body = readChunks(rest);
    return body === undefined ? undefined : { status, body };
  }
  throw new Error(`an answer without a length: ${head}`);
}

function readChunks(text: string): string | undefined {
  let body = '';
  for (let at = 0; ; ) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    const chunkEnd = lineEnd + 2 + size;
    if (text.length < chunkEnd + 2) return undefined;
    if (size === 0) return body;
    body += text.slice(lineEnd + 2, chunkEnd);
    at = chunkEnd + 2;
  }
}
