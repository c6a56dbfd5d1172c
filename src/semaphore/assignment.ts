/**
 * The split: (roster, available states, cycle) → worker → states. Everybody computes it from the same
 * snapshot and comes to the same result (I5), so that nobody has to ask.
 *
 * 1. *Quotas.* Every worker's fair share, in proportion to its declared concurrency, up to its capacity.
 * 2. *Slices.* The ring of instance hashes is cut in the same proportion. Each worker takes its quota from
 *    its own slice. The cut depends on the roster only: it stays put while the roster does, and whatever
 *    listing each worker holds, their slices are disjoint.
 * 3. *Overflow.* What is left goes to those whose slice held too little, in an order that the cycle turns.
 */
import { hash, HASHES } from './hash.ts';
import { compareCodePoints } from './order.ts';

export interface RosterEntry {
  readonly session: string;
  /** The flag's name. */
  readonly name: string;
  /** Ticks at a time: the worker's weight. */
  readonly concurrency: number;
  /** States held at most. */
  readonly capacity: number;
}

export interface Task {
  /** The state file's name. */
  readonly name: string;
  readonly instance: string;
  /** Sessions that do not know its machine. */
  readonly refusedBy?: readonly string[];
}

/** Session → names of states, in the order in which to take them. */
export type Split = Map<string, string[]>;

/**
 * Fair, disjoint, complete up to the fleet's capacity, and the same whatever the order of the input. What
 * a worker has room for at the moment does not enter: others could not know it.
 */
export function assign(
  roster: readonly RosterEntry[],
  tasks: readonly Task[],
  cycle: number,
): Split {
  const workers = normalize(roster);
  const split: Split = new Map(workers.map((worker) => [worker.session, []]));
  if (workers.length === 0) return split;
  const quotas = fairQuotas(workers, tasks.length, cycle);
  const give = (worker: number, task: Task): void => {
    split.get(workers[worker]!.session)!.push(task.name);
    quotas[worker]! -= 1;
  };

  const ring = ringOrder(tasks, cycle);
  const refused = ring.filter((task) => (task.refusedBy?.length ?? 0) > 0);
  dealRefused(workers, refused, quotas, cycle, give);

  const cuts = cutRing(workers);
  const left: Task[] = [];
  const salt = rosterSalt(workers);
  for (const task of ring) {
    if ((task.refusedBy?.length ?? 0) > 0) continue;
    const owner = ownerOf(cuts, hash(task.instance, salt));
    if (quotas[owner]! > 0) give(owner, task);
    else left.push(task);
  }
  deal(workers, left, quotas, cycle, give);
  return split;
}

/** One entry a session, in an order all agree on. */
function normalize(roster: readonly RosterEntry[]): RosterEntry[] {
  const bySession = new Map(roster.map((entry) => [entry.session, entry]));
  return [...bySession.values()].sort((a, b) => compareCodePoints(a.session, b.session));
}

function rosterSalt(workers: readonly RosterEntry[]): number {
  return workers.reduce((salt, worker) => hash(worker.session, salt), 0);
}

/**
 * Shares of `total` in proportion to concurrency, capped at capacity; what the capped leave is shared
 * among the others again. Rounding favours each in turn.
 */
function fairQuotas(workers: readonly RosterEntry[], total: number, cycle: number): number[] {
  const quotas = workers.map(() => 0);
  let open = workers.map((_, index) => index);
  let left = total;
  while (left > 0 && open.length > 0) {
    const weight = open.reduce((sum, index) => sum + workers[index]!.concurrency, 0);
    const before = left;
    for (const index of open) {
      const share = Math.floor((before * workers[index]!.concurrency) / weight);
      const taken = Math.min(share, workers[index]!.capacity - quotas[index]!);
      quotas[index]! += taken;
      left -= taken;
    }
    const uncapped = open.filter((index) => quotas[index]! < workers[index]!.capacity);
    if (uncapped.length === open.length) break;
    open = uncapped;
  }
  // Fewer than one each: one at a time, beginning with another worker each cycle.
  for (let step = 0; left > 0 && open.length > 0; step += 1) {
    const index = open[(cycle + step) % open.length]!;
    if (step >= open.length) break;
    quotas[index]! += 1;
    left -= 1;
  }
  return quotas;
}

/** Where each worker's slice ends. */
function cutRing(workers: readonly RosterEntry[]): number[] {
  const weight = workers.reduce((sum, worker) => sum + worker.concurrency, 0);
  let sum = 0;
  return workers.map((worker) => {
    sum += worker.concurrency;
    return (sum / weight) * HASHES;
  });
}

function ownerOf(cuts: readonly number[], position: number): number {
  let [low, high] = [0, cuts.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (position < cuts[middle]!) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** A start that the cycle draws: no name is always last. */
function ringOrder(tasks: readonly Task[], cycle: number): Task[] {
  const start = hash(String(cycle));
  return tasks
    .map((task) => ({ task, place: (hash(task.instance) - start + HASHES) % HASHES }))
    .sort((a, b) => a.place - b.place || compareCodePoints(a.task.name, b.task.name))
    .map(({ task }) => task);
}

/** States that some cannot run go to those who perhaps can; if there is nobody, somebody sets them aside. */
function dealRefused(
  workers: readonly RosterEntry[],
  tasks: readonly Task[],
  quotas: number[],
  cycle: number,
  give: (worker: number, task: Task) => void,
): void {
  for (const [step, task] of tasks.entries()) {
    const able = workers.flatMap((worker, index) =>
      task.refusedBy!.includes(worker.session) ? [] : [index],
    );
    const candidates = able.length > 0 ? able : workers.map((_, index) => index);
    const chosen = candidates[(cycle + step) % candidates.length]!;
    const withRoom = candidates.find((index) => quotas[index]! > 0);
    give(quotas[chosen]! > 0 ? chosen : (withRoom ?? chosen), task);
  }
}

function deal(
  workers: readonly RosterEntry[],
  tasks: readonly Task[],
  quotas: readonly number[],
  cycle: number,
  give: (worker: number, task: Task) => void,
): void {
  let next = cycle % workers.length;
  for (const task of tasks) {
    let tried = 0;
    while (tried < workers.length && quotas[next]! <= 0) {
      next = (next + 1) % workers.length;
      tried += 1;
    }
    if (tried === workers.length) return;
    give(next, task);
    next = (next + 1) % workers.length;
  }
}
