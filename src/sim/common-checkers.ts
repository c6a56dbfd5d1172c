/** Checks what holds on every engine: single steps (I3, I6), events (I10), and joins (I12). */
import {
  publishedStates,
  type CommitRecord,
  type PublishedState,
  type FailureRecord,
} from '../machine/record.ts';
import { resolveState, type Registry } from '../machine/registry.ts';
import { parseStateFile, type Joins } from '../machine/state-file.ts';
import { parseEventName, parseEvent } from '../machine/event.ts';
import { isOpen, outputsOf } from '../machine/fork.ts';
import { originName, parseStateName, stateName } from '../machine/name.ts';

/** The true progress of instances, on whatever engine. */
export abstract class TrueSteps {
  abstract isDone(name: string): boolean;
  /** Undefined if the state is not done, or was committed without a record. */
  abstract recordOf(name: string): CommitRecord | undefined;
  /** Whether the state file exists. */
  abstract hasState(name: string): boolean;
  /** The content of an event; undefined if there is none of this name. */
  abstract eventText(file: string): string | undefined;

  /** The entry for this state file in the record of the step that leads to it, if that is done. */
  follower(name: string): PublishedState | undefined {
    const record = this.recordOf(originName(name) ?? '');
    return publishedStates(record).find((one) => one.name === name);
  }

  /** Whether the instance of this state ended with it. */
  hasEnded(name: string): boolean {
    return this.isDone(name) && this.recordOf(name)?.next === undefined;
  }

  /** The consecutive state files of an instance. */
  stepsOf(instance: string): string[] {
    const names: string[] = [];
    while (this.hasState(stateName(instance, names.length)))
      names.push(stateName(instance, names.length));
    return names;
  }
}

export interface StepCheckerOptions {
  /** Upper bound of ticks per step. */
  readonly ticks: number;
  /** The workers' machines. */
  readonly registry: Registry;
}

const encoder = new TextEncoder();

/** Single steps: how often they are ticked (I6), and whether they may fail (I3). */
export class StepChecker {
  readonly #options: StepCheckerOptions;
  /** Complete text of every state file that a user has put in or is copying. */
  readonly #submitted = new Map<string, string>();
  readonly #ticks = new Map<string, number>();
  /** Whether a state file of this text waits for events: a cache, since it is asked at every turn. */
  readonly #waiting = new Map<string, boolean>();

  constructor(options: StepCheckerOptions) {
    this.#options = options;
  }

  submitted(name: string, content: string): void {
    this.#submitted.set(name, content);
  }

  textOf(name: string): string | undefined {
    return this.#submitted.get(name);
  }

  /** A tick of `name` begins: returns what is wrong, if anything. */
  ticked(name: string): string | undefined {
    const times = (this.#ticks.get(name) ?? 0) + 1;
    this.#ticks.set(name, times);
    const { ticks } = this.#options;
    return times > ticks ? `expected at most ${ticks} ticks of ${name}, got ${times}` : undefined;
  }

  /** A tick of it was cancelled: that is no attempt. */
  released(name: string): void {
    this.#ticks.set(name, (this.#ticks.get(name) ?? 0) - 1);
  }

  /** A user made it available again. */
  retried(name: string): void {
    this.#ticks.delete(name);
  }

  /** A valid state fails only by its attempts or a fatal answer. */
  failed({
    state,
    code,
    reason,
  }: Pick<FailureRecord, 'state' | 'code' | 'reason'>): string | undefined {
    const isRightful =
      code === 'successor-taken'
        ? this.#submitted.has(state)
        : ['attempts-exhausted', 'fatal'].includes(code) || !this.#isValid(state);
    return isRightful ? undefined : `expected valid ${state} not to fail, got ${reason}`;
  }

  #isValid(name: string): boolean {
    const content = this.#submitted.get(name);
    if (content === undefined) return true;
    const parsed = parseStateFile(encoder.encode(content));
    return parsed.ok && resolveState(this.#options.registry, parsed.file).ok;
  }

  /** Whether a state file of this text waits for events: then nothing is left to do there. */
  waits(text: string): boolean {
    const known = this.#waiting.get(text);
    if (known !== undefined) return known;
    const isWaiting = this.#isWaiting(text);
    this.#waiting.set(text, isWaiting);
    return isWaiting;
  }

  #isWaiting(text: string): boolean {
    const parsed = parseStateFile(encoder.encode(text));
    if (!parsed.ok) return false;
    const resolved = resolveState(this.#options.registry, parsed.file);
    return resolved.ok && resolved.kind === 'waiting';
  }
}

/** The part of I10 that is the same on every engine: an event that was sent is applied once, and no other is. */
export class EventLedger {
  /** File names of all events sent by users or by committed steps, by id: ids in a simulation are their own keys. */
  readonly known: Map<string, string> = new Map();
  /** By id: the state that it was applied in. */
  readonly applied: Map<string, string> = new Map();

  sent(file: string): void {
    this.known.set(parseEventName(file)!.key, file);
  }

  /** The event `id` is applied in `state`: returns what is wrong with that, if anything. */
  apply(id: string, state: string): string | undefined {
    const other = this.applied.get(id);
    if (other !== undefined && other !== state)
      return `expected ${id} to be applied once, got ${other} and ${state}`;
    if (!this.known.has(id)) return `expected only sent events in ${state}, got ${id}`;
    this.applied.set(id, state);
    return undefined;
  }

  /** `record` is committed, with its events: what it sends is known from now on. */
  emitted({ emit }: CommitRecord): void {
    for (const { name } of emit ?? []) this.sent(name);
  }
}

/**
 * I12: a join goes on when all of its branches have ended, and not before, with the output of each; no end of a branch is
 * rejected.
 */
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
        const last = ended === undefined ? this.#steps.stepsOf(instance).at(-1) : undefined;
        if (last !== undefined && this.#steps.hasEnded(last))
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
      if (!this.#steps.hasEnded(ended) || parseStateName(ended)?.instance !== instance) {
        return `expected the last state of ${instance} in ${name}, got ${ended}`;
      }
      if (JSON.stringify(record?.output) !== JSON.stringify(output)) {
        return `expected the output of ${ended} in ${name}, got ${JSON.stringify(output)}`;
      }
    }
    return undefined;
  }

  #joinOf(name: string): Joins | undefined {
    return joinIn(this.#steps.follower(name)?.content ?? '');
  }
}

function joinIn(content: string): Joins | undefined {
  if (!content.includes('"join"')) return undefined;
  const parsed = parseStateFile(encoder.encode(content));
  return parsed.ok ? parsed.file.join : undefined;
}
