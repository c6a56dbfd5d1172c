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
  | 'bad-setting'
  | 'bad-state'
  | 'bad-trace'
  | 'bad-volume'
  | 'duplicate-machine'
  | 'invariant'
  | 'machines-changed'
  | 'name-in-use'
  | 'name-taken'
  | 'no-event'
  | 'no-inbox'
  | 'no-instance'
  | 'no-machines'
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
