/** Processes on another machine, started by the agent there (`agent.ts`) over one connection each. */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Launch, Ran, Running } from '../fleet.ts';
import { eventually } from './stand.ts';

/** A JSON line to the agent: first the process to start, then signals. */
export type ToAgent =
  | { readonly args: readonly string[]; readonly env: NodeJS.ProcessEnv }
  | { readonly signal: NodeJS.Signals };

/** A JSON line from the agent: output of the process, and last its exit status. */
export type FromAgent =
  | { readonly stdout: string }
  | { readonly stderr: string }
  | { readonly status: number | null; readonly signal: NodeJS.Signals | null };

class RemoteProcess implements Running {
  readonly ended: Promise<Ran>;
  stdout = '';
  stderr = '';
  isOver = false;
  readonly #socket: Socket;

  constructor(address: string, port: number, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.#socket = connect(port, address);
    this.#send({ args, env });
    this.ended = new Promise((resolve, reject) => {
      this.#socket.once('error', reject);
      this.#socket.once('close', () =>
        reject(new Error(`connection to ${address} closed: ${this.stderr}`)),
      );
      createInterface({ input: this.#socket }).on('line', (line) => {
        const message = JSON.parse(line) as FromAgent;
        if ('stdout' in message) this.stdout += message.stdout;
        else if ('stderr' in message) this.stderr += message.stderr;
        else {
          this.isOver = true;
          this.#socket.destroy();
          const { stdout, stderr } = this;
          resolve({ ...message, stdout, stderr });
        }
      });
    });
    // No unhandled rejection if the test does not await `ended`.
    this.ended.catch(() => (this.isOver = true));
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.isOver) this.#send({ signal });
  }

  #send(message: ToAgent): void {
    this.#socket.write(`${JSON.stringify(message)}\n`);
  }
}

export function launchOn(address: string, port: number): Launch {
  return (args, env = {}) => new RemoteProcess(address, port, args, env);
}

export function agentAnswers(address: string, port: number): Promise<void> {
  return eventually(
    `the agent on ${address} answers`,
    () =>
      new Promise<void>((resolve, reject) => {
        const socket = connect(port, address, () => {
          socket.destroy();
          resolve();
        });
        socket.once('error', reject);
        socket.setTimeout(1000, () => socket.destroy(new Error('no answer')));
      }),
  );
}
