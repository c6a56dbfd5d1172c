/** Log lines of a session: expiry, recoveries, and states that become available again. */
import type { Log } from '../engine/ports.ts';
import type { Recovery, VolumeSettlement, VolumeOperations } from './operations.ts';

/** If there are more states, only their number is logged. */
const MAX_LINES = 16;

export function logExpired(
  log: Log,
  { token, lease }: VolumeOperations,
  discarded: readonly string[],
): void {
  const { session } = token;
  log.warn(
    { session, lease, discarded },
    'session expired: lease not renewed; starting a new session',
  );
}

export function logRecovery(log: Log, recovery: Recovery): void {
  const { broken, dropped, finished, of, passedOver } = recovery;
  for (const entry of passedOver) {
    log.warn({ entry }, 'passed over: not what belongs there, or owned by another user');
  }
  if (broken.length + dropped.length + finished.length === 0) return;
  const workers = [...new Set(of.map((session) => session.slice(0, session.lastIndexOf('.'))))];
  const states = { available: dropped.length, commitsFinished: finished.length };
  log.warn({ workers, ...states, ...recovery }, 'recovered expired sessions');
}

/** Failed states that became available again without a user's command. */
export function logRetried(log: Log, names: readonly string[]): void {
  if (names.length > MAX_LINES) log.info({ states: names.length }, 'failed states available again');
  else
    for (const state of names)
      log.info({ state }, 'failed state available again: its cause has changed');
}

/** A state that the volume settled without asking its worker. */
export function logUnasked(log: Log, { change, name }: VolumeSettlement): void {
  if (change.kind === 'fail') {
    const { code, reason } = change.record;
    log.error({ state: name, code, reason }, 'failed: cannot be run');
  } else log.info({ state: name }, 'given back');
}

const INTERVAL_MS = 60_000;
const MAX_LOGGED_NAMES = 10;

/** Logs other programs' flags on the volume: one that is left out of the pairing, and claims that a worker waits for. */
export class ForeignFlagLog {
  readonly #log: Log;
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(log: Log) {
    this.#log = log;
  }

  leftOut(flag: string): void {
    this.#log.warn(
      { flag },
      `the flag ${flag} in workers/ claims nothing: left out of the pairing; ` +
        'if its program has gone, "flockwork reset --workers" removes it',
    );
  }

  /** Called when the worker has nothing else to do; logs once a minute. `now`: monotonic ms. */
  waitsFor(states: readonly string[], now: number): void {
    if (states.length === 0 || now - this.#loggedAt < INTERVAL_MS) return;
    this.#loggedAt = now;
    const rest = states.length - MAX_LOGGED_NAMES;
    const more = rest > 0 ? ` and ${rest} more` : '';
    this.#log.warn(
      { states },
      `waiting for flags of another program in in_progress/: ${states.slice(0, MAX_LOGGED_NAMES).join(', ')}${more}; ` +
        'if it has gone, "flockwork reset --in-progress" removes them',
    );
  }
}
