/** Every volume that the search meets: numbered, judged once, with all that an operation may make of it. */
import { Numbering, type Numbers } from './actors.ts';
import { apply, type Entries, type Op } from './memory.ts';
import { LAYOUT, PATHS, recordText, successorText } from './scenario.ts';

/**
 * `lost`: an operation takes effect, and its reply is that of a repetition, or says nothing. `stale`:
 * a claim, or the flag in `done/`, is there and looks absent.
 */
export type Fault = 'lost' | 'stale';

export interface Outcome {
  readonly reply: number;
  readonly volume: number;
  readonly fault: Fault | undefined;
  /** What is wrong with that. */
  readonly problem: string | undefined;
}

const LOST_REPLIES: Partial<Record<Op[0], readonly string[]>> = {
  create: ['EEXIST'],
  link: ['EEXIST'],
  'link content': ['EEXIST'],
  makeDirectory: ['EEXIST'],
  removeDirectory: ['ENOENT'],
  unlink: ['ENOENT', 'EIO'],
};

export class Volumes {
  readonly #numbers: Numbers;
  readonly #sessions: readonly string[];
  readonly #faults: readonly Fault[];
  readonly #entries: Entries[] = [];
  readonly #keys = new Numbering<readonly (readonly [string, string | undefined])[]>();
  /** By volume, then by operation. */
  readonly #outcomes: (readonly Outcome[])[][] = [];

  constructor(numbers: Numbers, sessions: readonly string[], faults: readonly Fault[]) {
    this.#numbers = numbers;
    this.#sessions = sessions;
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
    const outcome = (told: string, fault?: Fault): Outcome => ({
      reply: this.#numbers.replies.of(told),
      volume,
      fault,
      problem,
    });
    const outcomes = [outcome(reply)];
    if (hasEffect && this.#faults.includes('lost')) {
      for (const lost of LOST_REPLIES[op[0]] ?? []) outcomes.push(outcome(lost, 'lost'));
    }
    const stale = this.#faults.includes('stale') ? staleReply(op, reply) : undefined;
    if (stale !== undefined && stale !== reply) outcomes.push(outcome(stale, 'stale'));
    return outcomes;
  }

  /** I1, I2, I9, for whatever anybody does next. */
  #judge(before: Entries, after: Entries): string | undefined {
    for (const path of [PATHS.done, PATHS.successor]) {
      const text = before.get(path);
      if (text !== undefined && after.get(path) !== text) return `${path} was replaced or removed`;
    }
    const done = after.get(PATHS.done);
    const successor = after.get(PATHS.successor);
    const committer = this.#sessions.find((session) => recordText(session) === done);
    if (done !== undefined && committer === undefined)
      return 'the flag in done/ is no whole record';
    if (successor !== undefined && committer === undefined) return 'a successor without a commit';
    if (successor !== undefined && successor !== successorText(committer!)) {
      return 'the successor is not that of the committing record';
    }
    const isAside = [...after.keys()].some((path) => path.startsWith(`${LAYOUT.flags('failed')}/`));
    return isAside ? 'something was put aside' : undefined;
  }
}

function staleReply([method, path]: Op, reply: string): string | undefined {
  if (method === 'list') return path === LAYOUT.flags('in_progress') ? '[]' : undefined;
  if (method !== 'stat' && method !== 'read') return undefined;
  const mayLookAbsent = [PATHS.done, PATHS.claim, PATHS.nextClaim].includes(path);
  return mayLookAbsent && reply !== 'ENOENT' ? 'ENOENT' : undefined;
}
