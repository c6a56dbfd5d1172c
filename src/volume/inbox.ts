/** Pending events: an index of the names in `events/`, the content of those for one instance, and what commands show. */
import { isDroppedName, subjectOfProblem } from '../machine/dropped.ts';
import {
  eventIdOf,
  parseEvent,
  parseEventName,
  isCaused,
  type EventName,
} from '../machine/event.ts';
import { MAX_BATCH_EVENTS, type PendingEvent } from '../machine/event-batch.ts';
import { invariant } from '../machine/invariant.ts';
import { emittedIn } from '../machine/record.ts';
import { parseStateName } from '../machine/name.ts';
import { formatInstant } from './phases/volume-clock.ts';
import { readText, listOrNone } from './atomic-files.ts';
import { isForbidden, type Files } from './files.ts';
import type { Layout } from './layout.ts';
import type { SessionContext } from './session-context.ts';
import { eventStatus } from './outcomes.ts';
import type { Json } from '../machine/definition.ts';

const UNREADABLE_CHECKS_PER_CYCLE = 64;

export interface Inbox {
  /** File names by instance, in order. */
  readonly due: ReadonlyMap<string, readonly string[]>;
  /** Number of events whose time is still to come. */
  readonly later: number;
  /** Entries with an event's name that are not files, or may not be read: `readEvent` adds them. Skipped until they change. */
  readonly unreadable: Set<string>;
  /** Files that users have dropped there, and `.problem` files. */
  readonly dropped: readonly string[];
  readonly problems: ReadonlySet<string>;
}

interface DelayedEvent {
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
 * Sorts listed events by instance. A delayed event is due at the volume's time in its name, or when it has been here for its
 * delay and one cycle: if clocks disagree, the time in its name may be hours away. If they agree, the name decides in all
 * sessions (I5).
 */
export class EventIndex {
  readonly #files: Files;
  readonly #layout: Layout;
  readonly #monotonic: () => number;
  readonly #cycleMs: number;
  /** Since when (monotonic) each delayed event is known, and its delay, ms. */
  #delayed = new Map<string, DelayedEvent>();
  readonly #unreadable = new Set<string>();
  /** The stat of each of these at the last check. */
  readonly #unreadableStats = new Map<string, string>();

  constructor(files: Files, layout: Layout, monotonic: () => number, cycleMs: number) {
    this.#files = files;
    this.#layout = layout;
    this.#monotonic = monotonic;
    this.#cycleMs = cycleMs;
  }

  /** `now`: the volume's time at the earliest, ms. */
  async sort(names: Iterable<string>, now: number | undefined): Promise<Inbox> {
    const due = new Map<string, string[]>();
    const delayed = new Map<string, DelayedEvent>();
    const dropped: string[] = [];
    const problems = new Set<string>();
    let later = 0;
    const instant = now === undefined ? '' : formatInstant(now);
    await this.#checkUnreadable();
    for (const name of names) {
      const event = parseEventName(name);
      if (event === undefined && isDroppedName(name)) dropped.push(name);
      if (event === undefined && subjectOfProblem(name) !== undefined) problems.add(name);
      if (event === undefined || this.#unreadable.has(name)) continue;
      if (event.isDelayed && event.time > instant) {
        const known = this.#delayed.get(name) ?? (await this.#note(name));
        if (known !== undefined) delayed.set(name, known);
        if (known === undefined || this.#monotonic() - known.since < known.delay + this.#cycleMs) {
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

  /** One stat each: its owner may have allowed reading since, or put a file in its place. */
  async #checkUnreadable(): Promise<void> {
    for (const name of [...this.#unreadable].slice(0, UNREADABLE_CHECKS_PER_CYCLE)) {
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

  /** Undefined while the event cannot be read, which must not block the other events. */
  async #note(name: string): Promise<DelayedEvent | undefined> {
    const since = this.#monotonic();
    const reading = readEvent(this.#files, this.#layout, name, this.#unreadable);
    const text = await reading.catch(() => undefined);
    if (text === undefined) return undefined;
    const event = parseEvent(text);
    return { since, delay: typeof event === 'string' ? 0 : (event.delay ?? 0) };
  }
}

/** An event's text, perhaps from the record that emitted it. Undefined if it is gone or cannot be read. */
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
    // A forbidden file is its owner's doing, not a failure of the volume.
    if (there?.kind === 'file' && !isForbidden(error)) throw error;
    if (there !== undefined) unreadable.add(name);
    return undefined;
  }
}

/** The due events that may be applied to this state only. Notes those that are over, for `dropOver` to remove. */
export async function takeEvents(context: SessionContext, state: string): Promise<PendingEvent[]> {
  const { files, layout, inbox } = context;
  const arrived: PendingEvent[] = [];
  for (const file of inbox.due.get(parseStateName(state)!.instance) ?? []) {
    if (arrived.length === MAX_BATCH_EVENTS) break;
    const { key } = parseEventName(file)!;
    const status = await eventStatus(files, layout, key);
    if (status.kind === 'over') {
      context.over.add(file);
      continue;
    }
    // In order: later events wait, too.
    if (status.kind === 'unknown') break;
    if (status.kind === 'assigned' && status.state !== state) break;
    const content = await readEvent(files, layout, file, inbox.unreadable);
    const isLater = (arrived.at(-1)?.file ?? '') <= file;
    invariant(isLater, 'I10: expected events in the order of their names', state);
    if (content !== undefined) arrived.push({ file, id: eventIdOf(key, content), content });
  }
  return arrived;
}

/** A pending event for commands: a running timer, or an event that no step has applied yet. */
export interface QueuedEvent {
  /** The idempotency key. */
  readonly id: string;
  /** The instance. */
  readonly to: string;
  /** Its file's name in `events/`. */
  readonly file: string;
  /** ISO 8601, volume time: when it was sent, or when a delayed one is due. */
  readonly time: string;
  readonly isDelayed: boolean;
  /** Set by a machine for as long as its instance stays in a state. */
  readonly isTimer: boolean;
  /** Undefined if its file cannot be read or does not parse. */
  readonly event: string | undefined;
  readonly details?: Json;
  readonly originator?: string;
  readonly timestamp?: string;
  /** The state file that it counts for; undefined if it counts in any state. */
  readonly since?: string;
}

/** Events in a listing by instance, in order. */
export async function listPending(
  files: Files,
  layout: Layout,
): Promise<Map<string, (EventName & { readonly file: string })[]>> {
  const found = (await listOrNone(files, layout.events)).sort().flatMap((file) => {
    const name = parseEventName(file);
    return name === undefined ? [] : [{ ...name, file }];
  });
  return Map.groupBy(found, ({ to }) => to);
}

/** Undefined for an event that was applied or removed meanwhile. */
export async function readPending(
  files: Files,
  layout: Layout,
  name: EventName & { readonly file: string },
): Promise<QueuedEvent | undefined> {
  const { key, to, file, time, isDelayed } = name;
  const known = { to, file, time, isDelayed };
  const unreadable = new Set<string>();
  const text = await readEvent(files, layout, file, unreadable).catch(() => undefined);
  if (text === undefined) {
    if ((await files.stat(layout.event(file))) === undefined) return undefined;
    return { ...known, id: eventIdOf(key, ''), isTimer: false, event: undefined };
  }
  const id = eventIdOf(key, text);
  const parsed = parseEvent(text);
  if (typeof parsed === 'string') return { ...known, id, isTimer: false, event: undefined };
  const { event, details, originator, timestamp, since } = parsed;
  return {
    ...known,
    id,
    isTimer: isDelayed && isCaused(name) && since !== undefined,
    event,
    ...(details !== undefined && { details }),
    ...(originator !== undefined && { originator }),
    ...(timestamp !== undefined && { timestamp }),
    ...(since !== undefined && { since }),
  };
}

/** False for a timer that was set in a state that its instance has left: it will be ignored. */
export function stillCounts({ since, to }: QueuedEvent, at: string | undefined): boolean {
  // In XState machines `since` names a timer, not a state file.
  const isStateFile = since !== undefined && parseStateName(since)?.instance === to;
  return !isStateFile || since === at;
}
