/** Events that are on their way, as a user asks about them: timers that run, and events that nothing has applied yet. */
import type { Json } from '../machine/definition.ts';
import { isCaused, parseEvent, parseEventName, type EventName } from '../machine/event.ts';
import { parseStateName } from '../machine/name.ts';
import { listOrNone } from './atomic-files.ts';
import type { Files } from './files.ts';
import { readEvent } from './inbox.ts';
import type { Layout } from './layout.ts';

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
  /** A machine has set it for the time that its instance stays in a state. */
  readonly isTimer: boolean;
  /** Undefined where its file cannot be read, or says something else. */
  readonly event: string | undefined;
  readonly details?: Json;
  readonly originator?: string;
  readonly timestamp?: string;
  /** Undefined for one that counts wherever its instance is. */
  readonly since?: string;
}

/** Of which instances there are events in a listing, each one's in order. */
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

/** One that was applied, or taken away, meanwhile is undefined. */
export async function readPending(
  files: Files,
  layout: Layout,
  name: EventName & { readonly file: string },
): Promise<QueuedEvent | undefined> {
  const { id, to, file, time, isDelayed } = name;
  const known = { id, to, file, time, isDelayed };
  const unreadable = new Set<string>();
  const text = await readEvent(files, layout, file, unreadable).catch(() => undefined);
  if (text === undefined) {
    if ((await files.stat(layout.event(file))) === undefined) return undefined;
    return { ...known, isTimer: false, event: undefined };
  }
  const parsed = parseEvent(text);
  if (typeof parsed === 'string') return { ...known, isTimer: false, event: undefined };
  const { event, details, originator, timestamp, since } = parsed;
  return {
    ...known,
    isTimer: isDelayed && isCaused(name) && since !== undefined,
    event,
    ...(details !== undefined && { details }),
    ...(originator !== undefined && { originator }),
    ...(timestamp !== undefined && { timestamp }),
    ...(since !== undefined && { since }),
  };
}

/** False for a timer that was set in an earlier state of its instance, which it has left: nothing will come of it. */
export function stillCounts({ since, to }: QueuedEvent, at: string | undefined): boolean {
  // Of an XState machine `since` names a timer, not a state file.
  const isStateFile = since !== undefined && parseStateName(since)?.instance === to;
  return !isStateFile || since === at;
}
