/** Hands outcomes to the engine in batches: settlements that arrive while a call is under way are gathered for the next. */
import type { Clock } from '../engine/ports.ts';
import type { Session, Settled, Settlement } from '../engine/session.ts';
import { UserError } from '../machine/errors.ts';
import { invariant, InvariantError } from '../machine/invariant.ts';

const MAX_BATCH_ITEMS = 128;
const MAX_BATCH_CHARACTERS = 1024 * 1024;
/** Pause before a call that failed is repeated the first time; doubled each time. */
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 5000;

/** What the worker knows of a settlement besides. */
export interface DecidedTask {
  readonly settlement: Settlement;
  /** Of its tick, if there was one. */
  readonly maximumAttempts: number | undefined;
}

export interface SettlerListener {
  /** The engine has answered. */
  onSettled(decided: DecidedTask, settled: Settled): void;
  /** A call has failed, and is repeated unless the error is a `UserError` or an `InvariantError`. */
  onError(error: unknown): void;
}

export class Settler {
  readonly #session: Pick<Session, 'settle' | 'concurrentSettles'>;
  readonly #clock: Clock;
  readonly #listener: SettlerListener;
  #waiting: DecidedTask[] = [];
  #underWay = 0;
  #isScheduled = false;

  constructor(
    session: Pick<Session, 'settle' | 'concurrentSettles'>,
    clock: Clock,
    listener: SettlerListener,
  ) {
    this.#session = session;
    this.#clock = clock;
    this.#listener = listener;
  }

  /** No promise for each: many wait at a time, and each would be kept until the engine answers. */
  settle(decided: DecidedTask): void {
    this.#waiting.push(decided);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // Outcomes of one turn go together.
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#waiting.length > 0 && this.#underWay < this.#session.concurrentSettles) {
      const batch = this.#waiting.splice(0, this.#batchSize());
      this.#underWay += 1;
      void this.#send(batch).then(() => {
        this.#underWay -= 1;
        this.#flush();
        return undefined;
      });
    }
  }

  #batchSize(): number {
    let [count, characters] = [0, 0];
    for (const { settlement } of this.#waiting) {
      characters += lengthOf(settlement);
      if (count > 0 && (count === MAX_BATCH_ITEMS || characters > MAX_BATCH_CHARACTERS)) break;
      count += 1;
    }
    return count;
  }

  /** Never rejects. */
  async #send(batch: readonly DecidedTask[]): Promise<void> {
    const settlements = batch.map(({ settlement }) => settlement);
    for (let pause = FIRST_RETRY_MS; ; pause = Math.min(2 * pause, MAX_RETRY_MS)) {
      try {
        const settled = await this.#session.settle(settlements);
        const isWhole = settled.length === batch.length;
        const [{ settlement: first }] = batch as [DecidedTask];
        invariant(isWhole, 'I1: expected an answer for each settlement', first.hold.name);
        for (const [index, one] of batch.entries()) this.#listener.onSettled(one, settled[index]!);
        return;
      } catch (error) {
        this.#listener.onError(error);
        if (error instanceof UserError || error instanceof InvariantError) {
          for (const one of batch) this.#listener.onSettled(one, 'unsure');
          return;
        }
        await this.#clock.sleep(pause);
      }
    }
  }
}

/** Characters of a record's contents and output: what may be long in it. */
function lengthOf({ outcome }: Settlement): number {
  if (outcome.kind !== 'commit' || outcome.record === undefined) return 0;
  const { next, branches = [], emit = [], output } = outcome.record;
  let length = output === undefined ? 0 : JSON.stringify(output).length;
  for (const { content } of [...branches, ...emit]) length += content.length;
  return length + (next?.content.length ?? 0);
}
