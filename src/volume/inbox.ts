/** Events that are on their way: what a listing tells of them, and what those for one instance say. */
import { isDroppedName, subjectOfProblem } from '../machine/dropped.ts';
import { parseEvent, parseEventName } from '../machine/event.ts';
import { MAX_BATCH_EVENTS, type PendingEvent } from '../machine/event-batch.ts';
import { emittedIn } from '../machine/record.ts';
import { parseStateName } from '../machine/name.ts';
import { formatInstant } from './phases/volume-clock.ts';
import { readText } from './atomic-files.ts';
import { errnoOf, type Files } from './files.ts';
import type { Layout } from './layout.ts';
import type { SessionContext } from './session-context.ts';
import { eventStatus } from './outcomes.ts';

const PERMISSION_ERRNOS = ['EACCES', 'EPERM'];
const MAX_RECHECKS_PER_CYCLE = 64;

/** Files' names, by instance, in order. */
export interface Inbox {
  readonly due: ReadonlyMap<string, readonly string[]>;
  /** Events whose time is still to come. */
  readonly later: number;
  /** Names of events that are not files, or may not be read: `readEvent` adds them, and they are passed over until they change. */
  readonly unreadable: Set<string>;
  /** Files that people have dropped there, and those that say what is wrong with one. */
  readonly dropped: readonly string[];
  readonly problems: ReadonlySet<string>;
}

interface Delayed {
  readonly since: number;
  readonly delay: number;
}

export const NO_EVENTS: Inbox = {
  due: new Map(),
  later: 0,
  unreadable: new Set(),
  dropped: [],
  problems: new Set(),
};

/**
 * Sorts what a listing has found. A delayed event is due when the volume's time says so, or when it has been here for as
 * long as it was to be, and a cycle: where clocks disagree, the time in its name may be hours away. Where they agree, that
 * comes first for everybody (I5).
 */
export class EventIndex {
  readonly #files: Files;
  readonly #layout: Layout;
  readonly #monotonic: () => number;
  readonly #cycle: number;
  /** Delayed ones: since when they are known, on the monotonic clock, and for how long they wait, ms. */
  #delayed = new Map<string, Delayed>();
  readonly #unreadable = new Set<string>();
  /** Their stats when they were checked first. */
  readonly #unreadableStats = new Map<string, string>();

  /** `cycle`: milliseconds. */
  constructor(files: Files, layout: Layout, monotonic: () => number, cycle: number) {
    this.#files = files;
    this.#layout = layout;
    this.#monotonic = monotonic;
    this.#cycle = cycle;
  }

  /** `now`: of the volume's time at the earliest, ms. */
  async sort(names: Iterable<string>, now: number | undefined): Promise<Inbox> {
    const due = new Map<string, string[]>();
    const delayed = new Map<string, Delayed>();
    const dropped: string[] = [];
    const problems = new Set<string>();
    let later = 0;
    const instant = now === undefined ? '' : formatInstant(now);
    await this.#recheckUnreadable();
    for (const name of names) {
      const event = parseEventName(name);
      if (event === undefined && isDroppedName(name)) dropped.push(name);
      if (event === undefined && subjectOfProblem(name) !== undefined) problems.add(name);
      if (event === undefined || this.#unreadable.has(name)) continue;
      if (event.isDelayed && event.time > instant) {
        const known = this.#delayed.get(name) ?? (await this.#note(name));
        if (known !== undefined) delayed.set(name, known);
        if (known === undefined || this.#monotonic() - known.since < known.delay + this.#cycle) {
          later += 1;
          continue;
        }
      }
      const waiting = due.get(event.to);
      if (waiting === undefined) due.set(event.to, [name]);
      else waiting.push(name);
    }
    this.#delayed = delayed;
    for (const waiting of due.values()) if (waiting.length > 1) waiting.sort();
    return { due, later, unreadable: this.#unreadable, dropped: dropped.sort(), problems };
  }

  /** One stat each: its owner may have let us read it since, or put a file in its place. */
  async #recheckUnreadable(): Promise<void> {
    for (const name of [...this.#unreadable].slice(0, MAX_RECHECKS_PER_CYCLE)) {
      const stat = await this.#files.stat(this.#layout.event(name)).catch(() => undefined);
      const { kind, size, mtime, ctime, mode } = stat ?? {};
      const described = [kind, size, mtime, ctime, mode].join(' ');
      const before = this.#unreadableStats.get(name);
      this.#unreadableStats.set(name, described);
      if (before === undefined || before === described) continue;
      this.#unreadable.delete(name);
      this.#unreadableStats.delete(name);
    }
  }

  /** Undefined while it cannot be read: that must not keep anybody from seeing the rest. */
  async #note(name: string): Promise<Delayed | undefined> {
    const since = this.#monotonic();
    const reading = readEvent(this.#files, this.#layout, name, this.#unreadable);
    const text = await reading.catch(() => undefined);
    if (text === undefined) return undefined;
    const event = parseEvent(text);
    return { since, delay: typeof event === 'string' ? 0 : (event.delay ?? 0) };
  }
}

/** Its text, be it in the record of the step that has caused it; undefined for what is gone, or is no file. */
export async function readEvent(
  files: Files,
  layout: Layout,
  name: string,
  unreadable: Set<string>,
): Promise<string | undefined> {
  const path = layout.event(name);
  try {
    const text = await readText(files, path);
    return text === undefined ? undefined : (emittedIn(text, name) ?? text);
  } catch (error) {
    const there = await files.stat(path);
    // Its owner has not let us read it: that says nothing about the volume.
    const isForbidden = PERMISSION_ERRNOS.includes(errnoOf(error) ?? '');
    if (there?.kind === 'file' && !isForbidden) throw error;
    if (there !== undefined) unreadable.add(name);
    return undefined;
  }
}

/** What is to be applied to this state, and nowhere else. What was applied before is noted, to be taken away. */
export async function takeEvents(context: SessionContext, state: string): Promise<PendingEvent[]> {
  const { files, layout, inbox } = context;
  const arrived: PendingEvent[] = [];
  for (const file of inbox.due.get(parseStateName(state)!.instance) ?? []) {
    if (arrived.length === MAX_BATCH_EVENTS) break;
    const { id } = parseEventName(file)!;
    const status = await eventStatus(files, layout, id);
    if (status.kind === 'over') {
      context.over.add(file);
      continue;
    }
    // In order: what comes later waits too.
    if (status.kind === 'unknown') break;
    if (status.kind === 'assigned' && status.state !== state) break;
    const content = await readEvent(files, layout, file, inbox.unreadable);
    if (content !== undefined) arrived.push({ file, id, content });
  }
  return arrived;
}
