/** Putting an event into a volume from outside, and waiting for what becomes of it. */
import { formatEvent, formatEventName } from '../machine/event.ts';
import type { Message, Sent } from '../engine/engine.ts';
import { ensureDirectory } from './directory.ts';
import { recreate, linkIfAbsent, remove } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import { eventStatus } from './outcomes.ts';

/** On the disk when it returns. `nonce`: what no other sender says, for the name of a file of its own. */
export async function sendEvent(
  files: Files,
  layout: Layout,
  { to, id, file }: Message,
  nonce: string,
): Promise<Sent> {
  const { delay = 0 } = file;
  const standing = await eventStatus(files, layout, id);
  if (standing.kind === 'over') return standing;
  await ensureDirectory(files, layout.events);
  const temporary = `${layout.events}/.${id}.${nonce}`;
  await recreate(files, temporary, formatEvent(file));
  try {
    await files.sync(temporary);
    // The volume's own time, where it stamps: senders' clocks may be hours apart.
    const now = (await files.stat(temporary))?.mtime ?? Number.NaN;
    const time = new Date(Math.floor(now) + delay).toISOString();
    const name = formatEventName({ time, isDelayed: delay > 0, id, to });
    await linkIfAbsent(files, temporary, layout.event(name), () => true);
    await files.sync(layout.events);
    // Whoever has made that directory may not have come so far as to have it on the disk.
    await files.sync(layout.root);
    return { kind: 'sent', name };
  } finally {
    await remove(files, temporary);
  }
}
