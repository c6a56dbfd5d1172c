/** A session on a volume, as a worker sees it: the local queue hands out and settles, the cycle loop does the rest. */
import type { Hold, Session, Settled, Settlement, Task, WorkerInfo } from '../engine/session.ts';
import type { InvariantError } from '../machine/invariant.ts';
import { CycleLoop, type LoopOptions, type LoopPorts } from './cycle-loop.ts';

export class VolumeSession implements Session {
  /** Each settlement waits for Update System, and the queue settles all that has come by then. */
  readonly concurrentSettles: number = Number.POSITIVE_INFINITY;
  readonly #loop: CycleLoop;
  #ended: Promise<void> = Promise.resolve();
  #problem: Error | undefined;

  private constructor(loop: CycleLoop) {
    this.#loop = loop;
  }

  /** Throws a `UserError` for what a user must change on the volume. */
  static async open(
    ports: LoopPorts,
    worker: WorkerInfo,
    options: LoopOptions,
  ): Promise<VolumeSession> {
    const loop = new CycleLoop(ports, worker, options);
    await loop.open();
    const session = new VolumeSession(loop);
    session.#ended = loop.run().catch((error: unknown) => {
      session.#problem = error as Error;
      loop.queue.fail(error);
    });
    return session;
  }

  get isIdle(): boolean {
    return this.#loop.queue.isIdle && this.#loop.queue.isEmpty;
  }

  get unreadable(): number {
    return this.#loop.queue.unreadable;
  }

  now(): string {
    return this.#loop.operations.stamp();
  }

  take(limit: number, signal: AbortSignal): Promise<readonly Task[] | 'drained'> {
    const problem = this.#loop.bug ?? this.#problem;
    if (problem !== undefined) return Promise.reject(problem);
    try {
      return this.#loop.queue.take(limit, signal);
    } catch (error) {
      this.#loop.crash(error);
      return Promise.reject(error);
    }
  }

  settle(settlements: readonly Settlement[]): Promise<readonly Settled[]> {
    if (this.#loop.bug !== undefined) return Promise.reject(this.#loop.bug);
    const settled = this.#loop.queue.finish(settlements);
    settled.catch((error: unknown) => this.#loop.crash(error));
    return settled;
  }

  setDeadline(hold: Hold, at: number): void {
    this.#loop.queue.setDeadline(hold, at);
  }

  async close(drainMs: number): Promise<void> {
    this.#loop.end(drainMs);
    await this.#ended;
    if (this.#loop.bug !== undefined) throw this.#loop.bug;
  }

  abort(reason: InvariantError): void {
    this.#loop.crash(reason);
  }
}
