/** Starts, counts and stops the worker processes of one system. */
import { join } from 'node:path';
import { Child, until } from './processes.ts';
import type { Count, Message } from './tally.ts';

const NOTHING: Count = { finished: 0, first: 0, last: 0 };

export class WorkerGroup implements AsyncDisposable {
  readonly #children: Child[] = [];
  readonly #counts = new Map<Child, Count>();

  /** `program` in `peers/`, once for each of `settings`, which it gets as JSON. Resolves once all are ready. */
  async start(program: string, settings: readonly object[], env: NodeJS.ProcessEnv): Promise<void> {
    const path = join(import.meta.dirname, 'peers', program);
    for (const one of settings) {
      const child = new Child(process.execPath, [path, JSON.stringify(one)], { env, ipc: true });
      this.#children.push(child);
      child.process.on('message', (message: Message) =>
        this.#counts.set(child, message === 'ready' ? NOTHING : message),
      );
    }
    await until('the workers are ready', () => {
      this.assertAlive();
      return this.#counts.size === settings.length;
    });
  }

  assertAlive(): void {
    for (const child of this.#children) child.assertAlive();
  }

  tell(message: object): void {
    for (const child of this.#children) child.process.send(message);
  }

  get pids(): number[] {
    return this.#children.map(({ pid }) => pid);
  }

  get countDone(): number {
    return [...this.#counts.values()].reduce((sum, { finished }) => sum + finished, 0);
  }

  async firstBegan(): Promise<number> {
    const firsts = (): number[] =>
      [...this.#counts.values()].flatMap(({ first }) => (first === 0 ? [] : [first]));
    await until('a job has begun', () => {
      this.assertAlive();
      return firsts().length > 0;
    });
    return Math.min(...firsts());
  }

  /** Resolves with the moment when the last of so many was finished. An error if none is for two minutes. */
  async finished(steps: number): Promise<number> {
    while (this.countDone < steps) {
      const before = this.countDone;
      await until(`more than ${before} of ${steps} jobs are done`, () => {
        this.assertAlive();
        return this.countDone > before;
      });
    }
    return Math.max(...[...this.#counts.values()].map(({ last }) => last));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop()));
  }
}
