/**
 * I10, watched: each event is applied once, and none is lost. Whoever takes one away knows what became of it, and
 * so does the volume after a power cut.
 */
import { isDroppedName, parseDropped, problemName } from '../machine/dropped.ts';
import { formatEventName, isCaused, parseEventName } from '../machine/event.ts';
import {
  appliedIn,
  parseCommitRecord,
  parseRejection,
  recordOfEvent,
  type CommitRecord,
} from '../machine/record.ts';
import { isStateName, parseStateName } from '../machine/name.ts';
import type { Notice } from './disk.ts';
import { archivedFlag, textOf, type TrueVolume } from './true-volume.ts';

/** Nobody makes more generations of an outcome than this: see `volume/outcomes.ts`. */
const MAX_GENERATIONS = 1000;

export class EventChecker {
  readonly #volume: TrueVolume;
  /** All that were ever sent, by a user or by a step that counts: their files' names, by id. */
  readonly #known = new Map<string, string>();
  /** Where each was applied. */
  readonly #applied = new Map<string, string>();
  /** Known to be over, until the power goes. */
  readonly #over = new Set<string>();

  constructor(volume: TrueVolume) {
    this.#volume = volume;
  }

  /** `content`: of a file that was dropped under a name of its own; what is no event stays what it is. */
  sent(file: string, content?: string): void {
    if (content === undefined) {
      this.#known.set(parseEventName(file)!.id, file);
      return;
    }
    const dropped = parseDropped(file, content);
    if (typeof dropped === 'string') return;
    const { id, to } = dropped;
    const time = new Date(0).toISOString();
    this.#known.set(id, formatEventName({ time, isDelayed: false, id, to }));
  }

  /** A record has become the flag of its state: what is wrong with that, if anything. */
  committed(record: CommitRecord): string | undefined {
    for (const { id } of record.events ?? []) {
      const other = this.#applied.get(id);
      if (other !== undefined && other !== record.state) {
        return `${id} is applied in ${other} and in ${record.state}`;
      }
      if (!this.#known.has(id)) return `${id} is applied in ${record.state}, and was never sent`;
      if (this.#verdictOn(id))
        return `${id} is applied in ${record.state}, after the verdict on it`;
      if (!this.#leadsTo(id, record.state)) {
        return `${id} is applied in ${record.state}, and no outcome says so`;
      }
      this.#applied.set(id, record.state);
    }
    for (const { name } of record.emit ?? []) this.sent(name);
    return undefined;
  }

  /** Something has happened in `events/`; `isWorker`: not a user's doing. */
  changed(name: string, { before, after }: Notice, isWorker: boolean): string | undefined {
    const event = parseEventName(name);
    if (!isWorker) return undefined;
    if (event === undefined)
      return isDroppedName(name) ? this.#taken(name, before, after) : undefined;
    if (after !== undefined) {
      if (before !== undefined) return `events/${name} is replaced`;
      return this.#known.has(event.id) ? undefined : `events/${name} follows from no commit`;
    }
    if (!this.isOver(event.id)) return `events/${name} is taken away, and nothing has come of it`;
    return this.#isDurable(event.id)
      ? undefined
      : `events/${name} is taken away, and what came of it is not on the disk`;
  }

  /** A dropped file is a user's: a worker takes it away when the event that it is is on the disk, and does nothing else to it. */
  #taken(name: string, before: Notice['before'], after: Notice['after']): string | undefined {
    if (before === undefined || after !== undefined) return `events/${name} is written by a worker`;
    const dropped = parseDropped(name, textOf(before));
    if (typeof dropped === 'string') return `events/${name} is taken away, and is no event`;
    const { id } = dropped;
    const isEvent = this.#list('events').some(
      (file) => parseEventName(file)?.id === id && this.#volume.isDurable(`events/${file}`),
    );
    return isEvent || (this.isOver(id) && this.#isDurable(id))
      ? undefined
      : `events/${name} is taken away, and neither its event nor what came of it is on the disk`;
  }

  /** Something has happened in `outcomes/`. */
  decided(name: string, { before, after }: Notice): string | undefined {
    if (name.startsWith('.') || before === undefined) return undefined;
    return after === undefined || textOf(after) !== textOf(before)
      ? `outcomes/${name} changes`
      : undefined;
  }

  /** What the power took did not happen; what it left has to be told of. */
  powerIsBack(): string | undefined {
    this.#over.clear();
    for (const [id, state] of this.#applied) {
      if (!this.#isIn(id, state)) this.#applied.delete(id);
      else if (!this.#leadsTo(id, state))
        return `the power left ${id} applied, and no outcome of it`;
    }
    this.#forgetUnsent();
    return undefined;
  }

  /** Events of commits that the power has taken. */
  #forgetUnsent(): void {
    const caused = new Set<string>();
    for (const name of [...this.#list('done'), ...this.#archived()]) {
      const record = parseCommitRecord(this.#volume.doneText(name) ?? '', name);
      for (const one of record?.emit ?? []) caused.add(one.name);
    }
    for (const [id, file] of this.#known) {
      if (isCaused(parseEventName(file)!) && !caused.has(file)) this.#known.delete(id);
    }
  }

  #archived(): string[] {
    return this.#list('archive')
      .flatMap((shard) => this.#list(`archive/${shard}/done`))
      .filter(isStateName);
  }

  #list(path: string): string[] {
    return this.#volume.exists(path) ? this.#volume.list(path) : [];
  }

  isOver(id: string): boolean {
    if (this.#over.has(id)) return true;
    const state = this.#applied.get(id);
    const isOver = state === undefined ? this.#verdictOn(id) : this.#isIn(id, state);
    if (isOver) this.#over.add(id);
    return isOver;
  }

  /** An event of which nothing has come, or that is still lying about; undefined if there is none. */
  undelivered(): string | undefined {
    for (const [id, file] of this.#known)
      if (!this.isOver(id)) return `nothing has come of ${file}`;
    const there = this.#list('events');
    // What came again to one that has failed waits with it, as all does, for somebody to retry it.
    const failed = new Set(this.#list('failed').map((name) => parseStateName(name)?.instance));
    const isLeft = (name: string): boolean => {
      const event = parseEventName(name);
      return event === undefined
        ? isDroppedName(name) && !there.includes(problemName(name))
        : !failed.has(event.to);
    };
    const left = there.filter(isLeft);
    return left.length === 0 ? undefined : `left over in events: ${left.join(', ')}`;
  }

  #isIn(id: string, state: string): boolean {
    const record = parseCommitRecord(this.#volume.doneText(state) ?? '', state);
    return record !== undefined && appliedIn(record, id) !== undefined;
  }

  #verdictOn(id: string): boolean {
    return this.#outcomes(id).some(
      (path) => parseRejection(this.#volume.text(path) ?? '') !== undefined,
    );
  }

  #leadsTo(id: string, state: string): boolean {
    return this.#outcomes(id).some(
      (path) => recordOfEvent(this.#volume.text(path) ?? '', id)?.state === state,
    );
  }

  #isDurable(id: string): boolean {
    const state = this.#applied.get(id);
    const flags = state === undefined ? [] : [`done/${state}`, archivedFlag(state)];
    const isThere = (path: string): boolean => this.#volume.isDurable(path);
    return this.#outcomes(id).every(isThere) && (flags.length === 0 || flags.some(isThere));
  }

  #outcomes(id: string): string[] {
    const paths: string[] = [];
    for (let generation = 0; generation < MAX_GENERATIONS; generation += 1) {
      const path = `outcomes/${id}${generation === 0 ? '' : `+${generation}`}`;
      if (!this.#volume.exists(path)) break;
      paths.push(path);
    }
    return paths;
  }
}
