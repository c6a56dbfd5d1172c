/** Every volume that the search reaches: numbered, checked once, with all results of an operation on it. */
import { Numbering, type Numbers } from './actors.ts';
import { apply, type Entries, type Op } from './memory.ts';
import { repliesOf, type Fault } from './faults.ts';
import { LAYOUT, PATHS, recordText, successorText, type Tick } from './scenario.ts';

export interface Outcome {
  readonly reply: number;
  readonly volume: number;
  readonly fault: Fault | undefined;
  /** What is wrong with that. */
  readonly problem: string | undefined;
}

export class Volumes {
  readonly #numbers: Numbers;
  readonly #ticks: readonly Tick[];
  readonly #faults: readonly Fault[];
  readonly #entries: Entries[] = [];
  readonly #keys = new Numbering<readonly (readonly [string, string | undefined])[]>();
  /** By volume, then by operation. */
  readonly #outcomes: (readonly Outcome[])[][] = [];

  constructor(numbers: Numbers, ticks: readonly Tick[], faults: readonly Fault[]) {
    this.#numbers = numbers;
    this.#ticks = ticks;
    this.#faults = faults;
  }

  get length(): number {
    return this.#entries.length;
  }

  at(volume: number): Entries {
    return this.#entries[volume]!;
  }

  numberOf(entries: Entries): number {
    const volume = this.#keys.of([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
    if (volume === this.#entries.length) {
      this.#entries.push(entries);
      this.#outcomes.push([]);
    }
    return volume;
  }

  outcomes(volume: number, op: number): readonly Outcome[] {
    const known = this.#outcomes[volume]!;
    return (known[op] ??= this.#find(volume, this.#numbers.ops.values[op]!));
  }

  #find(number: number, op: Op): Outcome[] {
    const before = this.at(number);
    const { reply, entries } = apply(before, op);
    const hasEffect = entries !== before;
    const volume = hasEffect ? this.numberOf(entries) : number;
    const problem = hasEffect ? this.#judge(before, entries) : undefined;
    const outcomes: Outcome[] = [
      { reply: this.#numbers.replies.of(reply), volume, fault: undefined, problem },
    ];
    for (const fault of this.#faults) {
      for (const told of repliesOf(fault, op, reply, hasEffect)) {
        const at =
          fault === 'refused' ? { volume: number, problem: undefined } : { volume, problem };
        outcomes.push({ reply: this.#numbers.replies.of(told), fault, ...at });
      }
    }
    return outcomes;
  }

  /** I1, I2, I9, for any next operation. */
  #judge(before: Entries, after: Entries): string | undefined {
    for (const path of [PATHS.done, PATHS.successor]) {
      const text = before.get(path);
      // A successor that is half written is filled, or repaired.
      const isHalf = path === PATHS.successor && text === '' && after.has(path);
      if (text === undefined || isHalf) continue;
      if (after.get(path) !== text) return `${path} was replaced or removed`;
    }
    const done = after.get(PATHS.done);
    const successor = after.get(PATHS.successor);
    const committer = this.#ticks.find((tick) => recordText(tick) === done);
    if (done !== undefined && committer === undefined)
      return 'the flag in done/ is no whole record';
    if (successor !== undefined && committer === undefined) return 'a successor without a commit';
    if (successor !== undefined && !['', successorText(committer!)].includes(successor)) {
      return 'the successor is not that of the committing record';
    }
    const isAside = [...after.keys()].some((path) => path.startsWith(`${LAYOUT.flags('failed')}/`));
    return isAside ? 'something was put aside' : undefined;
  }
}
