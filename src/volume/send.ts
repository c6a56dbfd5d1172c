/** Sends an event to a volume from outside. */
import { formatEvent, formatEventName } from '../machine/event.ts';
import type { Message, SendResult } from '../engine/engine.ts';
import { ensureDirectory } from './directory.ts';
import { recreate, linkIfAbsent, remove } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import { eventStatus } from './outcomes.ts';

/** The event is on the disk when this returns. `nonce`: unique to the sender, for the name of its temporary file. */
export async function sendEvent(
  files: Files,
  layout: Layout,
  { to, id, file }: Message,
  nonce: string,
): Promise<SendResult> {
  const { delay = 0 } = file;
  const status = await eventStatus(files, layout, id);
  if (status.kind === 'over') return status;
  await ensureDirectory(files, layout.events);
  const temporary = `${layout.events}/.${id}.${nonce}`;
  await recreate(files, temporary, formatEvent(file));
  try {
    await files.sync(temporary);
    // The volume's time stamp: senders' clocks may be hours apart.
    const now = (await files.stat(temporary))?.mtime ?? Number.NaN;
    const time = new Date(Math.floor(now) + delay).toISOString();
    const name = formatEventName({ time, isDelayed: delay > 0, id, to });
    await linkIfAbsent(files, temporary, layout.event(name), () => true);
    await files.sync(layout.events);
    // The process that created that directory may not have synced it yet.
    await files.sync(layout.root);
    return { kind: 'sent', name };
  } finally {
    await remove(files, temporary);
  }
}
