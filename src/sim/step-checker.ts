/** Checks single steps, on any engine: how often they are ticked (I6), and whether they may fail (I3). */
import type { FailureRecord } from '../machine/record.ts';
import { resolveState, type Registry } from '../machine/registry.ts';
import { parseStateFile } from '../machine/state-file.ts';

export interface StepCheckerOptions {
  /** Upper bound of ticks per step. */
  readonly ticks: number;
  /** The workers' machines. */
  readonly registry: Registry;
}

const encoder = new TextEncoder();

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
