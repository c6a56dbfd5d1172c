/** How far an instance has come: its state files follow each other without gaps. */
import { stateName } from '../machine/name.ts';
import { isArchived } from './archive.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';

/** Is there, or was there, such a state file: in the root or in the archive? */
async function isThere(files: Files, layout: Layout, name: string): Promise<boolean> {
  if ((await files.stat(layout.state(name))) !== undefined) return true;
  return isArchived(files, layout, name);
}

/**
 * The last state file of an instance, undefined where there is none to be seen. `from`: a step that is known
 * to be there.
 */
export async function lastState(
  files: Files,
  layout: Layout,
  instance: string,
  from = -1,
): Promise<{ readonly name: string; readonly step: number } | undefined> {
  const has = (step: number): Promise<boolean> => isThere(files, layout, stateName(instance, step));
  // Twice as far each time, then by halves.
  let [there, ahead] = [from, 1];
  while (await has(there + ahead)) [there, ahead] = [there + ahead, 2 * ahead];
  for (let gap = Math.floor(ahead / 2); gap >= 1; gap = Math.floor(gap / 2)) {
    if (await has(there + gap)) there += gap;
  }
  return there < 0 ? undefined : { name: stateName(instance, there), step: there };
}
