/** A message of the frontend/backend protocol (https://www.postgresql.org/docs/18/protocol-message-formats.html). */
export interface PostgresMessage {
  /** The letter of its kind; empty for the one that opens a session, which has none. */
  readonly type: string;
  readonly body: Buffer;
  /** As it came, with type and length. */
  readonly whole: Buffer;
}

/** Cuts what one side of a connection sends into messages. Only a client opens with one that has no type. */
export function createMessageReader(
  side: 'client' | 'server',
  found: (message: PostgresMessage) => void,
): (chunk: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0);
  let opened = side === 'server';
  return (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const headBytes = opened ? 5 : 4;
      if (pending.length < headBytes) return;
      const length = pending.readUInt32BE(headBytes - 4) + headBytes - 4;
      if (pending.length < length) return;
      const whole = pending.subarray(0, length);
      pending = pending.subarray(length);
      const type = opened ? String.fromCharCode(whole[0] as number) : '';
      opened = true;
      found({ type, body: whole.subarray(headBytes), whole });
    }
  };
}

/** The strings, each ended by a zero byte, that a message begins with. */
export function stringsOf({ body }: PostgresMessage, count: number): string[] {
  const strings: string[] = [];
  for (let at = 0; strings.length < count; ) {
    const end = body.indexOf(0, at);
    strings.push(body.toString('utf8', at, end < 0 ? body.length : end));
    at = end < 0 ? body.length : end + 1;
  }
  return strings;
}
