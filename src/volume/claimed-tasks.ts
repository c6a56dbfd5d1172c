/** What a worker holds, by name and by stage: each question costs what its answer is long. */
import type { Holding } from '../worker/plan.ts';

type Stage = Holding['stage'];

/** Passed places of a queue that are not worth moving the rest for. */
const FEW = 1024;

export class Holdings {
  readonly #byName = new Map<string, Holding>();
  readonly #byStage: Readonly<Record<Stage, Set<Holding>>> = {
    claimed: new Set(),
    ready: new Set(),
    running: new Set(),
    finished: new Set(),
  };
  /** Those that are, or were, ready: by priority, in order. */
  readonly #queues = new Map<number, Queue>();
  /** Successors of what is not settled yet: they may be claimed before they are held. */
  readonly #following = new Set<string>();

  get size(): number {
    return this.#byName.size;
  }

  get all(): Iterable<Holding> {
    return this.#byName.values();
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  isHeld(holding: Holding): boolean {
    return this.#byName.get(holding.name) === holding;
  }

  isFollowing(name: string): boolean {
    return this.#following.has(name);
  }

  in(stage: Stage): ReadonlySet<Holding> {
    return this.#byStage[stage];
  }

  add(holding: Holding): void {
    this.#byName.set(holding.name, holding);
    this.#byStage[holding.stage].add(holding);
  }

  /** Its `step` and `work` say the rest, and are set before. */
  move(holding: Holding, stage: Stage): void {
    this.#byStage[holding.stage].delete(holding);
    holding.stage = stage;
    this.#byStage[stage].add(holding);
    if (stage === 'ready') this.#enqueue(holding);
    const successor = successorOf(holding);
    if (successor !== undefined) this.#following.add(successor);
  }

  delete(holding: Holding): void {
    this.#byName.delete(holding.name);
    this.#byStage[holding.stage].delete(holding);
    this.#following.delete(successorOf(holding) ?? '');
  }

  /** The next one to run: of the highest priority, whoever has waited longest. */
  get next(): Holding | undefined {
    let best: Holding | undefined;
    for (const [priority, queue] of this.#queues) {
      const first = this.#firstOf(queue);
      if (first === undefined) this.#queues.delete(priority);
      else if (best === undefined || priority > priorityOf(best)) best = first;
    }
    return best;
  }

  #firstOf(queue: Queue): Holding | undefined {
    for (; queue.head < queue.holdings.length; queue.head += 1) {
      const holding = queue.holdings[queue.head]!;
      if (this.#byStage.ready.has(holding)) return holding;
      // Something may be ready for days on end: what has run must not be kept for so long.
      if (queue.head > FEW && 2 * queue.head > queue.holdings.length) {
        queue.holdings.splice(0, queue.head);
        queue.head = 0;
      }
    }
    return undefined;
  }

  #enqueue(holding: Holding): void {
    const priority = priorityOf(holding);
    const queue = this.#queues.get(priority) ?? { holdings: [], head: 0 };
    queue.holdings.push(holding);
    this.#queues.set(priority, queue);
  }

  clear(): void {
    for (const holding of this.all) this.delete(holding);
  }
}

/** What is before `head` is ready no more. */
interface Queue {
  readonly holdings: Holding[];
  head: number;
}

function priorityOf({ work }: Holding): number {
  return work?.file.priority ?? 0;
}

function successorOf({ step }: Holding): string | undefined {
  return step?.change.kind === 'commit' ? step.change.record?.next?.name : undefined;
}
