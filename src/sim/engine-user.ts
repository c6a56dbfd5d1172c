/** A user of the engine under test. Each call is repeated until it succeeds: the engine promises that it may be. */
import { UserError } from '../machine/errors.ts';
import { Connection } from './connection.ts';
import type { EngineOracle } from './engine-oracle.ts';
import { callCounter, type EngineWorld } from './engine-process.ts';
import type { OwnEvent } from './own-work.ts';

const NAME = 'user';
const encoder = new TextEncoder();

export class EngineUser {
  readonly #world: EngineWorld;
  readonly #oracle: EngineOracle;
  readonly #connection: Connection;
  readonly #retryMs: number;
  /** Calls that have not succeeded yet. */
  pending = 0;

  /** `retryMs`: before a call that failed is repeated. */
  constructor(world: EngineWorld, oracle: EngineOracle, latencyMs: number, retryMs: number) {
    this.#world = world;
    this.#oracle = oracle;
    this.#retryMs = retryMs;
    this.#connection = new Connection(
      world.store,
      {
        isAlive: () => true,
        begin: callCounter(world, NAME),
        latency: () => latencyMs,
        later: (ms, act) => void world.at(world.now() + ms, act),
        deliver: (act) => act(),
        crashed: (error) => world.crashed(error),
        engineTime: (at) => at,
      },
      oracle,
    );
  }

  submit(name: string, text: string): void {
    this.#insist('submit', async () => {
      const states = [{ name, bytes: encoder.encode(text) }];
      const [result] = await this.#world.store.engine.submit(states);
      if (result !== 'name taken') this.#oracle.submitted(name, text);
    });
  }

  send({ to, id, ...file }: OwnEvent): void {
    this.#insist('send', async () => {
      const [result] = await this.#world.store.engine.send([{ to, id, file }]);
      if (result?.kind === 'sent') this.#oracle.sent(result.name);
    });
  }

  /** All states that have failed. */
  retryAll(): void {
    for (const name of this.#oracle.failed) {
      this.#insist('retry', async () => {
        const [isRetried] = await this.#world.store.engine.retry([name]);
        if (isRetried === true) this.#oracle.retried(name);
      });
    }
  }

  pause(ms: number): void {
    this.#insist('pause', async () => {
      await this.#world.store.engine.pause(NAME);
      this.#oracle.paused(true);
      this.#world.at(this.#world.now() + ms, () => this.resume());
    });
  }

  resume(): void {
    this.#insist('resume', async () => {
      this.#oracle.paused(false);
      await this.#world.store.engine.resume();
    });
  }

  /** What the engine refuses, with a reason for the user, is not repeated. */
  #insist(method: string, act: () => Promise<void>): void {
    this.pending += 1;
    const attempt = (): void => {
      this.#connection.call(method, act).then(
        () => void (this.pending -= 1),
        (error: unknown) => {
          if (error instanceof UserError) this.pending -= 1;
          else this.#world.at(this.#world.now() + this.#retryMs, attempt);
        },
      );
    };
    attempt();
  }
}
