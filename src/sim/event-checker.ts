/**
 * Checks I10 on a volume: each event is applied once, and none is lost. An event file is removed only when its outcome is
 * durable.
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
import { EventLedger } from './common-checkers.ts';
import { archivedFlag, textOf, type TrueVolume } from './true-volume.ts';

/** Upper bound of the generations of one outcome: see `volume/outcomes.ts`. */
const MAX_GENERATIONS = 1000;

/** Has it at least so many names, as counted after the change? */
function isNamedOtherwise(node: Notice['before'], names: number): boolean {
  return node !== undefined && node.kind !== 'directory' && node.links >= names;
}

export class EventChecker {
  readonly #volume: TrueVolume;
  readonly #ledger = new EventLedger();
  readonly #known = this.#ledger.known;
  readonly #applied = this.#ledger.applied;
  /** Known to have an outcome; cleared by a power cut. */
  readonly #over = new Set<string>();

  constructor(volume: TrueVolume) {
    this.#volume = volume;
  }

  /** `content`: of a dropped file, which has a name of its own; an invalid one is no event. */
  sent(file: string, content?: string): void {
    if (content === undefined) {
      this.#ledger.sent(file);
      return;
    }
    const dropped = parseDropped(file, content);
    if (typeof dropped === 'string') return;
    const { id, to } = dropped;
    const time = new Date(0).toISOString();
    this.#ledger.sent(formatEventName({ time, isDelayed: false, id, to }));
  }

  /** `record` was committed: returns what is wrong with its events, if anything. */
  committed(record: CommitRecord): string | undefined {
    for (const { id } of record.events ?? []) {
      const problem = this.#ledger.apply(id, record.state);
      if (problem !== undefined) return problem;
      if (this.#verdictOn(id))
        return `expected rejected event ${id} not to be applied, got ${record.state}`;
      if (!this.#leadsTo(id, record.state)) {
        return `expected an outcome of ${id} that names ${record.state}, got none`;
      }
    }
    this.#ledger.emitted(record);
    return undefined;
  }

  /** A change in `events/`; `isWorker`: by a worker, not by a user. */
  changed(name: string, { before, after }: Notice, isWorker: boolean): string | undefined {
    const event = parseEventName(name);
    if (!isWorker) return undefined;
    if (event === undefined)
      return isDroppedName(name) ? this.#taken(name, before, after) : undefined;
    if (after !== undefined) {
      if (before !== undefined) return `expected events/${name} to stay, got a replacement`;
      return this.#known.has(event.key)
        ? undefined
        : `expected a commit that emits events/${name}, got none`;
    }
    if (!this.isOver(event.key))
      return `expected an outcome before events/${name} is removed, got none`;
    return this.#isDurable(event.key)
      ? undefined
      : `expected a durable outcome before events/${name} is removed, got one not synced`;
  }

  /**
   * A worker may give a dropped file another name. It may only remove its last one, and only when its event or the outcome
   * of that is durable.
   */
  #taken(name: string, before: Notice['before'], after: Notice['after']): string | undefined {
    if (before === undefined && isNamedOtherwise(after, 2)) return undefined;
    if (after === undefined && isNamedOtherwise(before, 1)) return undefined;
    if (before === undefined || after !== undefined)
      return `expected no write to dropped file events/${name}, got one`;
    const dropped = parseDropped(name, textOf(before));
    if (typeof dropped === 'string')
      return `expected invalid events/${name} to stay, got a removal`;
    const { id } = dropped;
    const isEvent = this.#list('events').some(
      (file) => parseEventName(file)?.key === id && this.#volume.isDurable(`events/${file}`),
    );
    return isEvent || (this.isOver(id) && this.#isDurable(id))
      ? undefined
      : `expected a durable event or outcome before events/${name} is removed, got neither`;
  }

  /** A change in `outcomes/`. */
  decided(name: string, { before, after }: Notice): string | undefined {
    if (name.startsWith('.') || before === undefined) return undefined;
    return after === undefined || textOf(after) !== textOf(before)
      ? `expected outcomes/${name} to stay, got a change`
      : undefined;
  }

  /** After a power cut: lost commits did not happen; each that is left needs its outcome. */
  powerIsBack(): string | undefined {
    this.#over.clear();
    for (const [id, state] of this.#applied) {
      if (!this.#isIn(id, state)) this.#applied.delete(id);
      else if (!this.#leadsTo(id, state))
        return `expected an outcome of ${id}, applied in ${state}, after a power cut, got none`;
    }
    this.#forgetUnsent();
    return undefined;
  }

  /** Forgets the events of commits that a power cut undid. */
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

  /** An event without an outcome, or whose file is left; undefined if there is none. */
  undelivered(): string | undefined {
    for (const [id, file] of this.#known)
      if (!this.isOver(id)) return `expected an outcome of ${file}, got none`;
    const there = this.#list('events');
    // An event sent again to a failed instance waits until a user retries that.
    const failed = new Set(this.#list('failed').map((name) => parseStateName(name)?.instance));
    const isLeft = (name: string): boolean => {
      const event = parseEventName(name);
      return event === undefined
        ? isDroppedName(name) && !there.includes(problemName(name))
        : !failed.has(event.to);
    };
    const left = there.filter(isLeft);
    return left.length === 0 ? undefined : `expected events/ to be empty, got ${left.join(', ')}`;
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
