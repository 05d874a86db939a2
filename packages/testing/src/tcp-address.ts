import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** An address on loopback that leads to a port, asked for at each connection: what a fail-over changes. */
export async function openTcpAddress(portNow: () => number): Promise<{ readonly port: number; close(): void }> {
  const open = new Set<Socket>();
  const address = createServer((client) => {
    const server = connect(portNow(), '127.0.0.1');
    join(client, server, open);
    join(server, client, open);
  }).listen(0, '127.0.0.1');
  await once(address, 'listening');
  const { port } = address.address() as { port: number };
  return {
    port,
    close() {
      for (const socket of open) socket.destroy();
      address.close();
    },
  };
}

/** What one end says the other hears, and where one end is gone the other goes too. */
function join(from: Socket, to: Socket, open: Set<Socket>): void {
  open.add(from);
  from.on('error', () => {});
  from.on('close', () => {
    open.delete(from);
    to.destroy();
  });
  from.pipe(to);
}
