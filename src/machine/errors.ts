/** An error that the user can fix; the message says how. The command line prints it without a stack and exits 2. */
export class UserError extends Error {
  override readonly name: string = 'UserError';
  /** Stable, for programs: `unknown-machine`, `bad-state-file`, … */
  readonly code: string;
  /** The subject: file, line, column, worker, cycle, … */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, facts: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.code = code;
    this.facts = facts;
  }
}

/** Thrown by a tick: the attempt is not retried, the state is put aside at once. */
export class FatalError extends Error {
  override readonly name: string = 'FatalError';
}
