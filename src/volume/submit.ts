/** Putting state files into a volume from outside: whole, and never over what is there. */
import type { Submitted } from '../store/contract.ts';
import { findState, isArchived } from './archive.ts';
import { publish, readText } from './exclusive.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';

/** I9. `unique` tells this submission's temporary files from others'. */
export async function submitState(
  files: Files,
  layout: Layout,
  { name, bytes }: { readonly name: string; readonly bytes: Uint8Array },
  unique: string,
): Promise<Submitted> {
  const target = layout.state(name);
  const content = new TextDecoder().decode(bytes);
  // An archived state has its name for ever: it is done, and does not run again.
  const there = await readText(files, await findState(files, layout, name));
  if (there === undefined) {
    if (await isArchived(files, layout, name)) return 'name taken';
    const temporary = `${layout.root}/.submit-${unique}`;
    const outcome = await publish(files, temporary, target, content);
    if (outcome === 'ours') return 'submitted';
  }
  return (there ?? (await readText(files, target))) === content ? 'there already' : 'name taken';
}
