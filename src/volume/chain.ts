/** Finds the last state file of an instance. Invariant: its state files are numbered without gaps. */
import { stateName } from '../machine/name.ts';
import { isArchived } from './archive.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';

/** Is there such a state file, in the root or in the archive? */
async function exists(files: Files, layout: Layout, name: string): Promise<boolean> {
  if ((await files.stat(layout.state(name))) !== undefined) return true;
  return isArchived(files, layout, name);
}

/** The last state file of an instance; undefined if none is visible. `from`: a step that is known to exist. */
export async function lastState(
  files: Files,
  layout: Layout,
  instance: string,
  from = -1,
): Promise<{ readonly name: string; readonly step: number } | undefined> {
  const has = (step: number): Promise<boolean> => exists(files, layout, stateName(instance, step));
  // Exponential search, then binary search. Invariant: step `last` exists, unless it is -1.
  let [last, ahead] = [from, 1];
  while (await has(last + ahead)) [last, ahead] = [last + ahead, 2 * ahead];
  for (let gap = Math.floor(ahead / 2); gap >= 1; gap = Math.floor(gap / 2)) {
    if (await has(last + gap)) last += gap;
  }
  return last < 0 ? undefined : { name: stateName(instance, last), step: last };
}
