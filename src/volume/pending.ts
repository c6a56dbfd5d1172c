/** Pending events for commands: running timers, and events that no step has applied yet. */
import type { Json } from '../machine/definition.ts';
import {
  eventIdOf,
  isCaused,
  parseEvent,
  parseEventName,
  type EventName,
} from '../machine/event.ts';
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
