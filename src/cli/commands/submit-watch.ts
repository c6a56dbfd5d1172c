/** `flockwork submit --watch DIR`: submits files that are dropped into folders, without working on them. */
import { once } from 'node:events';
import { UserError } from '../../machine/errors.ts';
import { Layout } from '../../volume/layout.ts';
import { NodeFiles } from '../../volume/node-files.ts';
import { readVolume } from '../../volume/open.ts';
import { EXIT, type Io } from '../command.ts';
import { directoryOf } from '../directories.ts';
import { checkInboxes, openInboxes } from '../inbox/inboxes.ts';
import type { Settings } from '../options.ts';
import { createLog } from '../log.ts';

/** Runs until stopped. Throws `usage`, `no-inbox`, `bad-inbox`, and what `readVolume` does. */
export async function submitFromInboxes(
  settings: Settings,
  paths: readonly string[],
  io: Io,
): Promise<number> {
  if (paths.length === 0) {
    throw new UserError('usage', 'expected folders to watch: submit --watch DIR…');
  }
  const volume = directoryOf(settings, 'submit');
  checkInboxes({ ...settings, inbox: [...paths] }, [volume]);
  await readVolume(new NodeFiles(), new Layout(volume));
  const inboxes = openInboxes(paths, [volume], settings, createLog(settings, {}));
  if (!io.stop.aborted) await once(io.stop, 'abort');
  await inboxes.close();
  return EXIT.done;
}
