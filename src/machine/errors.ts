/** Codes of errors that a user can fix, and `invariant`, of a bug: see `InvariantError`. Stable: programs may compare them. */
export type ErrorCode =
  | 'bad-composition'
  | 'bad-details'
  | 'bad-config'
  | 'bad-configuration'
  | 'bad-configuration-name'
  | 'bad-duration'
  | 'bad-engine'
  | 'bad-event'
  | 'bad-inbox'
  | 'bad-machine'
  | 'bad-name'
  | 'bad-page'
  | 'bad-payload'
  | 'bad-phases'
  | 'bad-schema'
  | 'bad-setting'
  | 'bad-state'
  | 'bad-trace'
  | 'bad-volume'
  | 'duplicate-machine'
  | 'engine-refused'
  | 'invariant'
  | 'machines-changed'
  | 'name-in-use'
  | 'name-taken'
  | 'no-driver'
  | 'no-event'
  | 'no-inbox'
  | 'no-instance'
  | 'no-machines'
  | 'no-schema'
  | 'no-server'
  | 'no-table'
  | 'no-volume'
  | 'no-xstate'
  | 'not-asked'
  | 'not-drawn'
  | 'not-failed'
  | 'not-in-sql'
  | 'not-pure'
  | 'not-reset'
  | 'not-simulated'
  | 'not-symmetric'
  | 'not-utf8'
  | 'nothing'
  | 'phases-differ'
  | 'same-volume'
  | 'several-volumes'
  | 'stored-already'
  | 'too-few-ticks'
  | 'too-large'
  | 'too-many-configurations'
  | 'too-many-machines'
  | 'unfit-volume'
  | 'unknown-configuration'
  | 'unknown-machine'
  | 'unreadable'
  | 'unusable-volume'
  | 'unused-state'
  | 'usage'
  | 'volume-gone'
  | 'volume-unsettled'
  | 'which-machine'
  | 'workers-alive';

/** An error that the user can fix; the message says how. The command line prints it without a stack and exits 2. */
export class UserError extends Error {
  override readonly name: string = 'UserError';
  readonly code: ErrorCode;
  /** The subject: file, line, column, worker, cycle, … */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, facts: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.code = code;
    this.facts = facts;
  }
}

/** Thrown by a tick: the attempt is not retried, the state is put aside at once. */
export class FatalError extends Error {
  override readonly name: string = 'FatalError';
}

/** One letter in three may differ; beyond that it is another word. */
const LETTERS_PER_MISTAKE = 3;

/** Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours. */
export function editDistance(one: string, other: string): number {
  let before: number[] = [];
  let above = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 1; row <= one.length; row += 1) {
    const line = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const same = one[row - 1] === other[column - 1];
      const replaced = above[column - 1]! + (same ? 0 : 1);
      let least = Math.min(replaced, above[column]! + 1, line[column - 1]! + 1);
      const isExchanged =
        row > 1 &&
        column > 1 &&
        one[row - 1] === other[column - 2] &&
        one[row - 2] === other[column - 1];
      if (isExchanged) least = Math.min(least, before[column - 2]! + 1);
      line.push(least);
    }
    before = above;
    above = line;
  }
  return above[other.length]!;
}

/** The nearest of `known`, ignoring case; undefined if none is near. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.round(word.length / LETTERS_PER_MISTAKE)) + 1;
  for (const one of known) {
    const distance = editDistance(word.toLowerCase(), one.toLowerCase());
    if (distance >= least) continue;
    best = one;
    least = distance;
  }
  return best;
}

/** The end of a message: `; did you mean state?`, or a list of all known names. */
export function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? `; there are ${known.join(', ')}` : `; did you mean ${near}?`;
}
