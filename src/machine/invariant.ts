/**
 * Assertions: what holds unless this program has a bug. A failed one ends the session that has met it: nothing more is
 * claimed, committed or published by it, its lease expires, and other sessions recover what it held.
 *
 * Not for what a user, a file system, another process or an older version of this program can cause: that is decided by what
 * is there, or told by a `UserError`.
 */
import type { ErrorCode } from './errors.ts';

/** A bug of this program. The message names the invariant of `docs/protocol.md` that does not hold, or the error. */
export class InvariantError extends Error {
  override readonly name: string = 'InvariantError';
  readonly code: Extract<ErrorCode, 'invariant'> = 'invariant';
  /** State and session, as far as they are known. */
  readonly facts: Readonly<Record<string, string>>;

  constructor(message: string, facts: Readonly<Record<string, string>> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.facts = facts;
  }
}

/**
 * Throws `InvariantError` unless `holds`. `rule`: `I6: expected …`, a constant. `state`, `session`: what it is about; names
 * that exist already, so that an assertion that holds allocates nothing.
 */
export function invariant(
  holds: boolean,
  rule: string,
  state?: string,
  session?: string,
): asserts holds {
  if (!holds) fail(rule, state, session);
}

function fail(rule: string, state: string | undefined, session: string | undefined): never {
  const facts = {
    ...(state !== undefined && { state }),
    ...(session !== undefined && { session }),
  };
  const about = Object.entries(facts).map(([key, value]) => ` ${key} ${value}`);
  throw new InvariantError(about.length === 0 ? rule : `${rule};${about.join(',')}`, facts);
}

/** Errors that JavaScript itself throws for a mistake in the program. Those of Node and of file systems have a `code`. */
const MISTAKES: readonly unknown[] = [TypeError, ReferenceError, RangeError];

/**
 * The error as a bug of this program: an `InvariantError`, or one that is made of an error that only a mistake in the program
 * can cause. Undefined for all others, which may pass.
 */
export function bugOf(error: unknown): InvariantError | undefined {
  if (error instanceof InvariantError) return error;
  if (!(error instanceof Error) || !MISTAKES.includes(error.constructor)) return undefined;
  if ('code' in error) return undefined;
  return new InvariantError(`unexpected ${error.name}: ${error.message}`, {}, error);
}

/** Called first where errors are kept, to try again: throws if this one is a bug. */
export function throwBug(error: unknown): void {
  const bug = bugOf(error);
  if (bug !== undefined) throw bug;
}
