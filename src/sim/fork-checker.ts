/**
 * I12, watched: a join goes on when each of its branches has ended, and not before, with what each has ended with; what
 * a branch says counts.
 */
import { parseEvent } from '../machine/event.ts';
import { isOpen, outputsOf } from '../machine/join.ts';
import { parseStateName, stateName } from '../machine/name.ts';
import { emittedIn, parseCommitRecord, type CommitRecord } from '../machine/record.ts';
import { parseStateFile, type Joins } from '../machine/state-file.ts';
import type { TrueVolume } from './true-volume.ts';

export class ForkChecker {
  readonly #volume: TrueVolume;

  constructor(volume: TrueVolume) {
    this.#volume = volume;
  }

  /** A record has become the flag of its state: what is wrong with that, if anything. */
  committed(record: CommitRecord): string | undefined {
    const before = this.#joinOf(record.state);
    const after = joinIn(record.next?.content ?? '');
    if (isOpen(before) && after === undefined) return `${record.state} has not been joined`;
    for (const { file, id, outcome } of record.events ?? []) {
      const text = this.#volume.text(`events/${file}`) ?? '';
      const event = parseEvent(emittedIn(text, file) ?? text);
      if (typeof event !== 'string' && event.branch !== undefined && outcome !== 'Ok') {
        return `${id} tells ${record.state} that a branch has ended: ${outcome}`;
      }
    }
    return this.#untrue(record.state, after);
  }

  /** It is ticked. */
  ticked(name: string): string | undefined {
    const join = this.#joinOf(name);
    if (isOpen(join)) return `${name} is ticked before all of its branches have ended`;
    return this.#untrue(name, join);
  }

  /** These outputs were given to its tick. */
  joined(name: string, outputs: Readonly<Record<string, unknown>>): string | undefined {
    return JSON.stringify(outputs) === JSON.stringify(outputsOf(this.#joinOf(name)))
      ? undefined
      : `${name} is ticked with ${JSON.stringify(outputs)}`;
  }

  /** A join among these that waits for what has ended; undefined if there is none. */
  left(names: readonly string[]): string | undefined {
    for (const name of names) {
      if (this.#volume.doneText(name) !== undefined) continue;
      for (const { instance, ended } of Object.values(this.#joinOf(name) ?? {})) {
        const last = ended === undefined ? this.#last(instance) : undefined;
        if (last !== undefined && this.#hasEnded(last)) return `${name} waits for ${last}`;
      }
    }
    return undefined;
  }

  /** A branch of which it says what is not so. */
  #untrue(name: string, join: Joins | undefined): string | undefined {
    for (const { instance, ended, output } of Object.values(join ?? {})) {
      if (ended === undefined) continue;
      const record = parseCommitRecord(this.#volume.doneText(ended) ?? '', ended);
      if (!this.#hasEnded(ended) || parseStateName(ended)?.instance !== instance) {
        return `${name} says that a branch has ended with ${ended}`;
      }
      if (JSON.stringify(record?.output) !== JSON.stringify(output)) {
        return `${name} says that ${ended} has ended with ${JSON.stringify(output)}`;
      }
    }
    return undefined;
  }

  #hasEnded(name: string): boolean {
    const text = this.#volume.doneText(name);
    return text !== undefined && parseCommitRecord(text, name)?.next === undefined;
  }

  #joinOf(name: string): Joins | undefined {
    return joinIn(this.#volume.follower(name)?.content ?? '');
  }

  #last(instance: string): string | undefined {
    let last: string | undefined;
    for (let step = 0; ; step += 1) {
      const name = stateName(instance, step);
      if (!this.#volume.hasState(name)) return last;
      last = name;
    }
  }
}

function joinIn(content: string): Joins | undefined {
  if (!content.includes('"join"')) return undefined;
  const parsed = parseStateFile(new TextEncoder().encode(content));
  return parsed.ok ? parsed.file.join : undefined;
}
