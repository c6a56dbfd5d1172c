/** What a user can mend: the message says how. The command line prints it without a stack and exits 2. */
export class UserError extends Error {
  override readonly name: string = 'UserError';
  /** Stable, for programs: `unknown-machine`, `bad-state-file`, … */
  readonly code: string;
  /** What it is about: file, line, column, worker, cycle, … */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, facts: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.code = code;
    this.facts = facts;
  }
}

/** Thrown by a tick: no further attempt can help, put the state aside at once. */
export class FatalError extends Error {
  override readonly name: string = 'FatalError';
}
