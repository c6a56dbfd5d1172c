/**
 * Checks I12, on any engine: a join goes on when all of its branches have ended, and not before, with the output of each; no end
 * of a branch is rejected.
 */
import { parseEvent } from '../machine/event.ts';
import { isOpen, outputsOf } from '../machine/fork.ts';
import { parseStateName, stateName } from '../machine/name.ts';
import type { CommitRecord } from '../machine/record.ts';
import { parseStateFile, type Joins } from '../machine/state-file.ts';
import type { TrueSteps } from './true-steps.ts';

export class ForkChecker {
  readonly #steps: TrueSteps;

  constructor(steps: TrueSteps) {
    this.#steps = steps;
  }

  /** `record` was committed: returns what is wrong with its join, if anything. */
  committed(record: CommitRecord): string | undefined {
    const before = this.#joinOf(record.state);
    const after = joinIn(record.next?.content ?? '');
    if (isOpen(before) && after === undefined)
      return `expected ${record.state} to wait for all of its branches, got a step without them`;
    for (const { file, id, outcome } of record.events ?? []) {
      const event = parseEvent(this.#steps.eventText(file) ?? '');
      if (typeof event !== 'string' && event.branch !== undefined && outcome !== 'Ok') {
        return `expected outcome Ok of ${id}, the end of a branch of ${record.state}, got ${outcome}`;
      }
    }
    return this.#untrue(record.state, after);
  }

  /** A tick of `name` begins. */
  ticked(name: string): string | undefined {
    const join = this.#joinOf(name);
    if (isOpen(join)) return `expected ${name} to wait for all of its branches, got a tick`;
    return this.#untrue(name, join);
  }

  /** `outputs` were passed to the tick of `name`. */
  joined(name: string, outputs: Readonly<Record<string, unknown>>): string | undefined {
    const [expected, got] = [outputsOf(this.#joinOf(name)), outputs].map((one) =>
      JSON.stringify(one),
    );
    return got === expected ? undefined : `expected outputs ${expected} in ${name}, got ${got}`;
  }

  /** A join among these that waits for a branch that has ended; undefined if there is none. */
  left(names: readonly string[]): string | undefined {
    for (const name of names) {
      if (this.#steps.isDone(name)) continue;
      for (const { instance, ended } of Object.values(this.#joinOf(name) ?? {})) {
        const last = ended === undefined ? this.#last(instance) : undefined;
        if (last !== undefined && this.#hasEnded(last))
          return `expected ${name} to go on after ${last}, got no step`;
      }
    }
    return undefined;
  }

  /** A branch whose end or output `join` states wrongly; undefined if there is none. */
  #untrue(name: string, join: Joins | undefined): string | undefined {
    for (const { instance, ended, output } of Object.values(join ?? {})) {
      if (ended === undefined) continue;
      const record = this.#steps.recordOf(ended);
      if (!this.#hasEnded(ended) || parseStateName(ended)?.instance !== instance) {
        return `expected the last state of ${instance} in ${name}, got ${ended}`;
      }
      if (JSON.stringify(record?.output) !== JSON.stringify(output)) {
        return `expected the output of ${ended} in ${name}, got ${JSON.stringify(output)}`;
      }
    }
    return undefined;
  }

  #hasEnded(name: string): boolean {
    return this.#steps.isDone(name) && this.#steps.recordOf(name)?.next === undefined;
  }

  #joinOf(name: string): Joins | undefined {
    return joinIn(this.#steps.follower(name)?.content ?? '');
  }

  #last(instance: string): string | undefined {
    let last: string | undefined;
    for (let step = 0; ; step += 1) {
      const name = stateName(instance, step);
      if (!this.#steps.hasState(name)) return last;
      last = name;
    }
  }
}

function joinIn(content: string): Joins | undefined {
  if (!content.includes('"join"')) return undefined;
  const parsed = parseStateFile(new TextEncoder().encode(content));
  return parsed.ok ? parsed.file.join : undefined;
}
