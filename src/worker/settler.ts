/** Settles what a worker has decided: hands outcomes to the engine in batches, and logs what they have come to. */
import type { Clock, Log } from '../engine/ports.ts';
import type { Session, Settled, Settlement, Outcome } from '../engine/session.ts';
import { UserError } from '../machine/errors.ts';
import { invariant, InvariantError } from '../machine/invariant.ts';

const MAX_BATCH_ITEMS = 128;
const MAX_BATCH_CHARACTERS = 1024 * 1024;
/** Pause before a call that failed is repeated the first time; doubled each time. */
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 5000;
/** If more commits settle in one turn, only their number is logged. */
const MAX_COMMIT_LINES = 16;

/** What the worker knows of a settlement besides. */
export interface DecidedTask {
  readonly settlement: Settlement;
  /** Of its tick, if there was one. */
  readonly maximumAttempts: number | undefined;
}

export interface SettlerListener {
  /** The engine has answered. */
  onSettled(decided: DecidedTask, settled: Settled): void;
  /** A call has failed, and is repeated unless the error is a `UserError` or an `InvariantError`. */
  onError(error: unknown): void;
}

/** Settlements that arrive while a call is under way are gathered for the next. */
export class Settler {
  readonly #session: Pick<Session, 'settle' | 'concurrentSettles'>;
  readonly #clock: Clock;
  readonly #listener: SettlerListener;
  #waiting: DecidedTask[] = [];
  #underWay = 0;
  #isScheduled = false;

  constructor(
    session: Pick<Session, 'settle' | 'concurrentSettles'>,
    clock: Clock,
    listener: SettlerListener,
  ) {
    this.#session = session;
    this.#clock = clock;
    this.#listener = listener;
  }

  /** No promise for each: many wait at a time, and each would be kept until the engine answers. */
  settle(decided: DecidedTask): void {
    this.#waiting.push(decided);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // Outcomes of one turn go together.
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#waiting.length > 0 && this.#underWay < this.#session.concurrentSettles) {
      const batch = this.#waiting.splice(0, this.#batchSize());
      this.#underWay += 1;
      void this.#send(batch).then(() => {
        this.#underWay -= 1;
        this.#flush();
        return undefined;
      });
    }
  }

  #batchSize(): number {
    let [count, characters] = [0, 0];
    for (const { settlement } of this.#waiting) {
      characters += lengthOf(settlement);
      if (count > 0 && (count === MAX_BATCH_ITEMS || characters > MAX_BATCH_CHARACTERS)) break;
      count += 1;
    }
    return count;
  }

  /** Never rejects. */
  async #send(batch: readonly DecidedTask[]): Promise<void> {
    const settlements = batch.map(({ settlement }) => settlement);
    for (let pause = FIRST_RETRY_MS; ; pause = Math.min(2 * pause, MAX_RETRY_MS)) {
      try {
        const settled = await this.#session.settle(settlements);
        const isWhole = settled.length === batch.length;
        const [{ settlement: first }] = batch as [DecidedTask];
        invariant(isWhole, 'I1: expected an answer for each settlement', first.hold.name);
        for (const [index, one] of batch.entries()) this.#listener.onSettled(one, settled[index]!);
        return;
      } catch (error) {
        this.#listener.onError(error);
        if (error instanceof UserError || error instanceof InvariantError) {
          for (const one of batch) this.#listener.onSettled(one, 'unsure');
          return;
        }
        await this.#clock.sleep(pause);
      }
    }
  }
}

/** Characters of a record's contents and output: what may be long in it. */
function lengthOf({ outcome }: Settlement): number {
  if (outcome.kind !== 'commit' || outcome.record === undefined) return 0;
  const { next, branches = [], emit = [], output } = outcome.record;
  let length = output === undefined ? 0 : JSON.stringify(output).length;
  for (const { content } of [...branches, ...emit]) length += content.length;
  return length + (next?.content.length ?? 0);
}

export interface SettledStep {
  /** The state file's name. */
  readonly state: string;
  readonly outcome: Outcome;
  readonly settled: Settled;
  /** Duration of its tick, if there was one. */
  readonly durationMs?: number;
  readonly maximumAttempts?: number;
}

/** The worker's log of settled steps: a line for each, or one for many commits that settle together. */
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
