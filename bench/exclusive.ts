/**
 * One benchmark at a time on a machine. The lock is a listening socket in the abstract namespace: the kernel removes it with
 * the process, however that ends, so that no lock is left over. It tells its process id to each connection.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { UserError } from '../src/machine/errors.ts';

const NAME = 'flockwork-bench';

/**
 * Takes the lock until it is disposed of.
 *
 * @throws UserError `usage` with the process id of the benchmark that holds it.
 */
export async function holdLock(name: string = NAME): Promise<AsyncDisposable> {
  const server = createServer((socket) =>
    socket.on('error', () => undefined).end(`${process.pid}`),
  );
  try {
    server.listen({ path: `\0${name}` });
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    const message = `cannot begin: another benchmark runs on this machine, process ${await holderOf(name)}; wait for its end`;
    throw new UserError('usage', message);
  }
  // The lock alone must not keep the process.
  server.unref();
  return {
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

async function holderOf(name: string): Promise<string> {
  const socket = connect({ path: `\0${name}` });
  try {
    return await text(socket);
  } catch {
    return 'unknown (it has just ended)';
  }
}
