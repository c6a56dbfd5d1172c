/** The worker's log of settled steps: a line for each, or one for many commits that settle together. */
import type { Log } from '../engine/ports.ts';
import type { Outcome, Settled } from '../engine/session.ts';

/** If more commits settle in one turn, only their number is logged. */
const MAX_COMMIT_LINES = 16;

export interface SettledStep {
  /** The state file's name. */
  readonly state: string;
  readonly outcome: Outcome;
  readonly settled: Settled;
  /** Duration of its tick, if there was one. */
  readonly durationMs?: number;
  readonly maximumAttempts?: number;
}

export class SettledLog {
  readonly #log: Log;
  #steps: SettledStep[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  add(step: SettledStep): void {
    this.#steps.push(step);
    // All that settles in one turn is logged together.
    if (this.#steps.length === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const steps = this.#steps;
    this.#steps = [];
    const commits = steps.filter(isPlainCommit);
    const isMany = commits.length > MAX_COMMIT_LINES;
    if (isMany) this.#log.info({ states: commits.length }, 'states done');
    for (const step of steps) if (!isMany || !isPlainCommit(step)) logStep(this.#log, step);
  }
}

function isPlainCommit({ outcome, settled }: SettledStep): boolean {
  return outcome.kind === 'commit' && settled === 'settled';
}

function logStep(log: Log, step: SettledStep): void {
  const { state, outcome, settled, durationMs, maximumAttempts } = step;
  const fields = { state, ...(durationMs !== undefined && { durationMs }) };
  if (settled === 'lost')
    log.warn(fields, 'result dropped: another worker has committed this state');
  else if (settled === 'unsure') log.warn(fields, 'result uncertain: the session expired');
  else if (settled === 'outdated') log.debug(fields, 'decision outdated: taken again');
  else if (outcome.kind === 'commit') log.info(fields, 'state done');
  else if (outcome.kind === 'fail') {
    const { code, reason } = outcome.record;
    log.error({ ...fields, code, reason }, 'state failed');
  } else if (outcome.kind === 'retry') {
    const { attempt, ended, error, notBefore = ended } = outcome.attempt;
    const retryInMs = Date.parse(notBefore) - Date.parse(ended);
    const attempts = { attempt, maximumAttempts, retryInMs, error: error?.message };
    log.warn({ ...fields, ...attempts }, 'attempt failed');
  } else if (outcome.kind === 'wait') log.debug(fields, 'state waits for an event');
  else if (settled === 'failed' && outcome.kind === 'refuse') {
    const { code, machine, reason } = outcome;
    log.error({ ...fields, code, machine, reason }, 'state failed: no worker knows its machine');
  } else log.info({ ...fields, outcome: outcome.kind }, 'state given back');
}
