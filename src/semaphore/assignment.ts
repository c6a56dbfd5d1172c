/**
 * The split: (roster, available states, cycle) → worker → states. Everybody computes it from the same
 * snapshot and comes to the same result (I5), so that nobody has to ask.
 *
 * 1. *Quotas.* Every worker's fair share, in proportion to its declared concurrency, up to its capacity.
 * 2. *Slices.* The ring of instance hashes is cut in the same proportion. Each worker takes its quota from
 *    its own slice. The cut depends on the roster only: it stays put while the roster does, and whatever
 *    listing each worker holds, their slices are disjoint.
 * 3. *Overflow.* What is left goes to those whose slice held too little, in an order that the cycle turns.
 *
 * States that somebody refused belong to no slice: they are dealt first, among those who have not.
 */
import { hash, HASHES } from './hash.ts';
import { compareCodePoints } from './order.ts';

export interface RosterEntry {
  readonly session: string;
  /** The flag's name. */
  readonly name: string;
  /** Ticks at a time, a positive integer: the worker's weight. */
  readonly concurrency: number;
  /** States held at most, a positive integer. */
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

/** What one worker is given. */
interface Share {
  readonly worker: RosterEntry;
  readonly quota: number;
  readonly names: string[];
}

/**
 * Fair, disjoint, complete up to the fleet's capacity, and the same whatever the order of the input. What
 * a worker has room for at the moment does not enter: others could not know it.
 */
export function assign(
  roster: readonly RosterEntry[],
  tasks: readonly Task[],
  cycle: number,
): Split {
  const workers = distinct(roster);
  const quotas = fairQuotas(workers, tasks.length, cycle);
  const shares = workers.map((worker, index) => ({ worker, quota: quotas[index]!, names: [] }));
  const ring = ringOrder(tasks, cycle);
  const refused = ring.filter(isRefused);
  const others = ring.filter((task) => !isRefused(task));
  deal(shares, refused, cycle);
  const overflow = takeSlices(shares, others);
  deal(shares, overflow, cycle);
  return new Map(shares.map(({ worker, names }) => [worker.session, names]));
}

/** One entry a session, in an order all agree on; of a session's several flags the first by name counts. */
function distinct(roster: readonly RosterEntry[]): RosterEntry[] {
  const sorted = roster.toSorted(
    (a, b) => compareCodePoints(a.session, b.session) || compareCodePoints(a.name, b.name),
  );
  return sorted.filter((entry, index) => entry.session !== sorted[index - 1]?.session);
}

/**
 * Shares of `total` in proportion to concurrency; what a worker has no capacity for is shared among the
 * others. All are less than one off the exact share, and over the cycles they come to it.
 */
function fairQuotas(workers: readonly RosterEntry[], total: number, cycle: number): number[] {
  const open = new Set(workers);
  let left = total;
  let weight = sum(workers, ({ concurrency }) => concurrency);
  // Whoever is full first, first: taking it out only raises the others' shares.
  const byFill = workers.toSorted(
    (a, b) => a.capacity * b.concurrency - b.capacity * a.concurrency,
  );
  for (const worker of byFill) {
    if (worker.capacity * weight > left * worker.concurrency) break;
    open.delete(worker);
    left -= worker.capacity;
    weight -= worker.concurrency;
  }
  // The shares lie end to end from 0 to `left`; whoever's holds a whole number gets that state, and the
  // cycle shifts them all: nobody is always rounded up.
  let through = Math.floor(turn(cycle) * weight);
  return workers.map((worker) => {
    if (!open.has(worker)) return worker.capacity;
    const before = Math.floor(through / weight);
    through += left * worker.concurrency;
    return Math.floor(through / weight) - before;
  });
}

/** In [0, 1), and evenly so over any number of cycles in a row: multiples of the golden ratio. */
function turn(cycle: number): number {
  return (Math.imul(cycle, 0x9e3779b9) >>> 0) / 2 ** 32;
}

/**
 * A start that the cycle draws: no name is always last. The hash is not the slices': within one of
 * these the start would hardly ever lie.
 */
function ringOrder(tasks: readonly Task[], cycle: number): Task[] {
  const start = hash(String(cycle));
  return tasks
    .map((task) => ({ task, place: (hash(task.instance) - start + HASHES) % HASHES }))
    .sort((a, b) => a.place - b.place || compareCodePoints(a.task.name, b.task.name))
    .map(({ task }) => task);
}

/** Everyone's quota out of its own slice; returns what is left over. */
function takeSlices(shares: readonly Share[], tasks: readonly Task[]): Task[] {
  const salt = shares.reduce((salted, { worker }) => hash(worker.session, salted), 0);
  const weight = sum(shares, ({ worker }) => worker.concurrency);
  let through = 0;
  const ends = shares.map(({ worker }) => ((through += worker.concurrency) / weight) * HASHES);
  return tasks.filter(({ name, instance }) => {
    const position = hash(instance, salt);
    const owner = shares[ends.findIndex((end) => position < end)];
    if (owner === undefined || !hasQuota(owner)) return true;
    owner.names.push(name);
    return false;
  });
}

/**
 * Round and round, beginning with another worker each cycle. Whoever is among the few that can run a state
 * gets it beyond its quota too; a state that all have refused goes to anybody: somebody has to put it aside.
 */
function deal(shares: readonly Share[], tasks: readonly Task[], cycle: number): void {
  let first = Math.floor(turn(cycle) * shares.length);
  for (const { name, refusedBy = [] } of tasks) {
    // What a long backlog comes to in most cycles: all hands full.
    if (!shares.some(hasRoom)) return;
    const refuses = ({ worker }: Share): boolean => refusedBy.includes(worker.session);
    const isHopeless = shares.every(refuses);
    const find = (suits: (share: Share) => boolean): number | undefined => {
      for (let step = 0; step < shares.length; step += 1) {
        const index = (first + step) % shares.length;
        const share = shares[index]!;
        if (suits(share) && (isHopeless || !refuses(share))) return index;
      }
      return undefined;
    };
    const taker = find(hasQuota) ?? find(hasRoom);
    if (taker === undefined) continue;
    shares[taker]!.names.push(name);
    first = taker + 1;
  }
}

function isRefused({ refusedBy = [] }: Task): boolean {
  return refusedBy.length > 0;
}

function hasQuota({ quota, names }: Share): boolean {
  return names.length < quota;
}

function hasRoom({ worker, names }: Share): boolean {
  return names.length < worker.capacity;
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
