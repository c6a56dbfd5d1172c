/**
 * The split: (roster, available states, cycle) → session → states. All workers compute it from the same snapshot and get the
 * same result (I5), without messages.
 *
 * 1. *Quotas.* Every worker's fair share, in proportion to its declared concurrency, up to its capacity.
 * 2. *Slices.* The ring of instance hashes is cut in the same proportion. Each worker takes its quota from its own slice. The
 *    cut depends on the roster only: it is the same until the roster changes, and slices are disjoint even if workers use
 *    different listings.
 * 3. *Overflow.* The rest goes to workers whose slice held too little, in an order that rotates with the cycle.
 *
 * States that a session refused belong to no slice: they are dealt first, among the sessions that have not refused them.
 */
import { invariant } from '../../machine/invariant.ts';
import { hash, HASHES, rehash } from './hash.ts';
import { compareCodePoints } from '../../machine/name.ts';
import { firstIndex, type Ring } from './ring.ts';

export interface RosterEntry {
  readonly session: string;
  /** The flag's name. */
  readonly name: string;
  /** Ticks at a time, a positive integer: the worker's weight. */
  readonly concurrency: number;
  /** States held at most, a positive integer. */
  readonly capacity: number;
}

/** Session → names of states, in the order in which to take them. */
export type Split = Map<string, string[]>;

/** The states given to one worker. */
interface Share {
  readonly worker: RosterEntry;
  readonly quota: number;
  readonly names: string[];
}

/**
 * The split: fair, disjoint, complete up to the fleet's capacity, and independent of the order of the input. It ignores how
 * much room a worker has at the moment: the others could not know it.
 */
export function assign(roster: readonly RosterEntry[], ring: Ring, cycle: number): Split {
  const shares = sharesOf(roster, ring, cycle);
  const cut = new SlicePartition(roster);
  dealRoundRobin(shares, ring.refused, ring, cycle);
  const overflow: number[] = [];
  for (const index of ring.from(startOf(cycle))) {
    if (!ring.isPlain(index)) continue;
    const owner = shares[cut.ownerOf(ring.placeAt(index))];
    if (owner !== undefined && hasQuota(owner)) owner.names.push(ring.nameAt(index)!);
    else overflow.push(index);
  }
  dealRoundRobin(shares, namesAt(overflow, ring), ring, cycle);
  checkShares(shares, ring);
  return new Map(shares.map(({ worker, names }) => [worker.session, names]));
}

/** Disjoint and complete, by counts: each name was dealt at most once, and as many as the fleet can hold. */
function checkShares(shares: readonly Share[], ring: Ring): void {
  const dealt = sum(shares, ({ names }) => names.length);
  const capacity = sum(shares, ({ worker }) => worker.capacity);
  const most = Math.min(ring.size, capacity);
  invariant(dealt <= most, 'I5: expected disjoint shares: dealt <= available, capacity');
  // A refused state may find no room among those that have not refused it.
  const isComplete = dealt >= most - ring.refused.length;
  invariant(isComplete, 'I5: expected complete shares: dealt = min(available, capacity)');
}

/** Lazily: most of a long backlog is not dealt in this cycle. */
function* namesAt(indices: readonly number[], ring: Ring): Generator<string, void> {
  for (const index of indices) yield ring.nameAt(index)!;
}

/** The refused states that `assign` gives to a worker. */
export function refusedShare(
  roster: readonly RosterEntry[],
  ring: Ring,
  cycle: number,
  session: string,
): readonly string[] {
  if (ring.refused.length === 0) return [];
  const shares = sharesOf(roster, ring, cycle);
  dealRoundRobin(shares, ring.refused, ring, cycle);
  return shares.find(({ worker }) => worker.session === session)?.names ?? [];
}

function sharesOf(roster: readonly RosterEntry[], ring: Ring, cycle: number): Share[] {
  const workers = distinct(roster);
  const quotas = fairQuotas(workers, ring.size, cycle);
  return workers.map((worker, index) => ({ worker, quota: quotas[index]!, names: [] }));
}

/** The place on the ring where this cycle begins: drawn from the cycle, so that no name is always last. */
export function startOf(cycle: number): number {
  return hash(String(cycle));
}

/** The ring cut into slices whose lengths are proportional to the workers' concurrency. */
export class SlicePartition {
  readonly sessions: readonly string[];
  readonly #salt: number;
  readonly #ends: readonly number[];

  constructor(roster: readonly RosterEntry[]) {
    const workers = distinct(roster);
    this.sessions = workers.map(({ session }) => session);
    this.#salt = workers.reduce((salted, { session }) => hash(session, salted), 0);
    const weight = sum(workers, ({ concurrency }) => concurrency);
    let through = 0;
    this.#ends = workers.map(({ concurrency }) => ((through += concurrency) / weight) * HASHES);
    const isWhole = through === weight && (this.#ends.at(-1) ?? HASHES) === HASHES;
    invariant(isWhole, 'I5: expected slices that cover the ring');
  }

  /** An index into `sessions`; −1 if there are none. The place is hashed again: a slice is not an arc of the ring. */
  ownerOf(place: number): number {
    const position = rehash(place, this.#salt);
    const owner = firstIndex(this.#ends.length, (index) => this.#ends[index]! <= position);
    const isFound = owner < this.#ends.length;
    invariant(isFound || owner === 0, 'I5: expected an owner of each place of the ring');
    return isFound ? owner : -1;
  }
}

/** How many states `assign` may give to a worker, without overflow. */
export function quotaOf(
  roster: readonly RosterEntry[],
  ring: Ring,
  cycle: number,
  session: string,
): number {
  return sharesOf(roster, ring, cycle).find(({ worker }) => worker.session === session)?.quota ?? 0;
}

/** One entry per session, in an order that all workers agree on; if a session has several flags, the first by name counts. */
function distinct(roster: readonly RosterEntry[]): RosterEntry[] {
  const sorted = roster.toSorted(
    (a, b) => compareCodePoints(a.session, b.session) || compareCodePoints(a.name, b.name),
  );
  return sorted.filter((entry, index) => entry.session !== sorted[index - 1]?.session);
}

/**
 * Shares of `total` in proportion to concurrency; states beyond a worker's capacity are shared among the others. Each is less
 * than one off the exact share, and over many cycles their mean is the exact share.
 */
function fairQuotas(workers: readonly RosterEntry[], total: number, cycle: number): number[] {
  const open = new Set(workers);
  let left = total;
  let weight = sum(workers, ({ concurrency }) => concurrency);
  // In the order in which workers fill up: taking a full one out only raises the others' shares.
  const byFill = workers.toSorted(
    (a, b) => a.capacity * b.concurrency - b.capacity * a.concurrency,
  );
  for (const worker of byFill) {
    if (worker.capacity * weight > left * worker.concurrency) break;
    open.delete(worker);
    left -= worker.capacity;
    weight -= worker.concurrency;
  }
  // The shares lie end to end from 0 to `left`. A worker gets one state per whole number in its share, and the
  // cycle shifts all shares, so that no worker is always rounded up.
  let through = Math.floor(rotation(cycle) * weight);
  const quotas = workers.map((worker) => {
    if (!open.has(worker)) return worker.capacity;
    const before = Math.floor(through / weight);
    through += left * worker.concurrency;
    return Math.floor(through / weight) - before;
  });
  const capacity = sum(workers, (worker) => worker.capacity);
  const isWhole = sum(quotas, (quota) => quota) === Math.min(total, capacity);
  invariant(isWhole, 'I5: expected quotas that add up to min(available, capacity)');
  return quotas;
}

/** In [0, 1), evenly distributed over any number of successive cycles: multiples of the golden ratio. */
function rotation(cycle: number): number {
  return (Math.imul(cycle, 0x9e3779b9) >>> 0) / 2 ** 32;
}

/**
 * Deals `names` round-robin, beginning with another worker each cycle. A state that some workers have refused goes to one of
 * the others, even beyond its quota; one that all have refused goes to any worker: one must fail it.
 */
function dealRoundRobin(
  shares: readonly Share[],
  names: Iterable<string>,
  ring: Ring,
  cycle: number,
): void {
  let first = Math.floor(rotation(cycle) * shares.length);
  for (const name of names) {
    // The usual end with a long backlog: all workers are at capacity.
    if (!shares.some(hasRoom)) return;
    const refusedBy = ring.refusedBy(name);
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

function hasQuota({ quota, names }: Share): boolean {
  return names.length < quota;
}

function hasRoom({ worker, names }: Share): boolean {
  return names.length < worker.capacity;
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

/**
 * Pairs sorted workers with sorted states, one each, first with first, independent of the cycle. A state that the paired
 * worker refused goes to the next that has not, or the same pair would meet in every cycle for ever (I7). So would states that
 * wait for events which cannot be applied yet: `woken` come last, in an order that rotates with the cycle.
 */
export function assignZip(
  roster: readonly RosterEntry[],
  ring: Ring,
  woken: ReadonlySet<string>,
  cycle: number,
): Split {
  const sessions = roster
    .toSorted((a, b) => compareCodePoints(a.name, b.name))
    .map(({ session }) => session);
  const split: Split = new Map(sessions.map((session) => [session, []]));
  const free = new Set(sessions);
  const [plain, others] = [[], []] as [string[], string[]];
  for (const name of ring.names.sort(compareCodePoints)) {
    (woken.has(name) ? others : plain).push(name);
  }
  const first = others.length === 0 ? 0 : cycle % others.length;
  for (const name of [...plain, ...others.slice(first), ...others.slice(0, first)]) {
    const refusedBy = ring.refusedBy(name);
    const refuses = (session: string): boolean => refusedBy.includes(session);
    const isHopeless = sessions.every(refuses);
    const taker = [...free].find((session) => isHopeless || !refuses(session));
    if (taker === undefined) continue;
    free.delete(taker);
    split.get(taker)!.push(name);
  }
  const pairs = sessions.length - free.size;
  const isComplete = pairs >= Math.min(split.size, ring.size) - ring.refused.length;
  invariant(isComplete, 'I5: expected min(workers, available) pairs');
  return split;
}
