/** Runs in a guest, `node agent.ts PORT`: starts processes and signals them for `remote.ts`. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { FromAgent, ToAgent } from './remote.ts';

createServer((socket) => {
  let child: ChildProcess | undefined;
  createInterface({ input: socket }).on('line', (line) => {
    const message = JSON.parse(line) as ToAgent;
    if ('signal' in message) child?.kill(message.signal);
    else child = start(message.args, message.env, socket);
  });
  // The client is gone: end its process.
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    child?.kill('SIGCONT');
    child?.kill('SIGKILL');
  });
}).listen(Number(process.argv[2]));

function start(args: readonly string[], env: NodeJS.ProcessEnv, socket: Socket): ChildProcess {
  const say = (message: FromAgent): void => void socket.write(`${JSON.stringify(message)}\n`);
  const child = spawn(process.execPath, args, {
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (chunk) => say({ stdout: String(chunk) }));
  child.stderr.on('data', (chunk) => say({ stderr: String(chunk) }));
  child.once('close', (status, signal) => say({ status, signal }));
  return child;
}
