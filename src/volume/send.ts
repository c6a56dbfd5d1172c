/** Sends events to a volume from outside. */
import { eventKey, formatEvent, formatEventName } from '../machine/event.ts';
import type { NewEvent, SendResult } from '../engine/engine.ts';
import { ensureDirectory, recreate, linkIfAbsent, remove } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import { eventStatus } from './outcomes.ts';

/** Events that are written, synced and published together. */
const GROUP_SIZE = 128;

/** An event that is written and has no name yet. */
interface Draft {
  readonly index: number;
  readonly event: NewEvent;
  readonly temporary: string;
}

export interface SentEvents {
  /** In the order of the events. */
  readonly results: readonly SendResult[];
  /** Milliseconds until the volume's time is later than that of each event: until then, a later event might come before it. */
  readonly aheadMs: number;
}

/**
 * The events are on the disk when this returns. Times of the events for one instance are strictly increasing. `nonce`: unique
 * to the call, for the names of its temporary files.
 */
export async function sendEvents(
  files: Files,
  layout: Layout,
  events: readonly NewEvent[],
  nonce: string,
): Promise<SentEvents> {
  const results: SendResult[] = [];
  /** By instance, ms. */
  const times = new Map<string, number>();
  let aheadMs = 0;
  for (let start = 0; start < events.length; start += GROUP_SIZE) {
    const drafts: Draft[] = [];
    try {
      for (const event of events.slice(start, start + GROUP_SIZE)) {
        const index = results.length;
        const key = eventKey(event.id);
        const status = await eventStatus(files, layout, key);
        // A draft's result is its name, which is known when it is published.
        results.push(status.kind === 'over' ? status : { kind: 'sent', name: '' });
        if (status.kind === 'over') continue;
        const suffix = index === 0 ? nonce : `${nonce}.${index}`;
        const draft = { index, event, temporary: `${layout.events}/.${key}.${suffix}` };
        if (drafts.push(draft) === 1) await ensureDirectory(files, layout.events);
        await recreate(files, draft.temporary, formatEvent(event.file, event.id));
      }
      await Promise.all(drafts.map(({ temporary }) => files.sync(temporary)));
      for (const { index, event, temporary } of drafts) {
        const { to, id, file } = event;
        const { delay = 0 } = file;
        // The volume's time stamp: senders' clocks may be hours apart.
        const now = Math.floor((await files.stat(temporary))?.mtime ?? Number.NaN);
        const sent = Math.max(now, (times.get(to) ?? 0) + 1);
        times.set(to, sent);
        aheadMs = Math.max(aheadMs, sent - now);
        const time = new Date(sent + delay).toISOString();
        const name = formatEventName({ time, isDelayed: delay > 0, id, to });
        await linkIfAbsent(files, temporary, layout.event(name), () => true);
        results[index] = { kind: 'sent', name };
      }
      if (drafts.length === 0) continue;
      await files.sync(layout.events);
      // The process that created that directory may not have synced it yet.
      await files.sync(layout.root);
    } finally {
      for (const { temporary } of drafts) await remove(files, temporary);
    }
  }
  return { results, aheadMs };
}
