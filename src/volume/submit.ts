/** Putting state files into a volume from outside: whole, and never over what is there. */
import { isStateName, nameProblem } from '../machine/name.ts';
import { parseStateFile } from '../machine/state-file.ts';
import { findState, isArchived } from './archive.ts';
import { publish, readText } from './exclusive.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';

export interface Candidate {
  readonly name: string;
  /** Where it comes from, for messages. */
  readonly source: string;
  readonly bytes: Uint8Array;
}

/** Everything that a worker would refuse later, one sentence each, with line and column. */
export function problemsOf(candidates: readonly Candidate[]): string[] {
  const problems: string[] = [];
  const sources = new Map<string, string>();
  for (const { name, source, bytes } of candidates) {
    const parsed = parseStateFile(bytes);
    const twin = sources.get(name);
    sources.set(name, source);
    const badName = !isStateName(name)
      ? 'the name has to be INSTANCE.state or INSTANCE.state-N'
      : nameProblem(name);
    if (badName !== undefined) problems.push(`${source}: ${badName}`);
    else if (twin !== undefined) problems.push(`${source}: ${twin} has the same name`);
    if (!parsed.ok) {
      const place = parsed.line === undefined ? '' : `:${parsed.line}:${parsed.column ?? 1}`;
      problems.push(`${source}${place}: ${parsed.reason}`);
    }
  }
  return problems;
}

export type Submitted = 'submitted' | 'there already' | 'name taken';

/** I9. `unique` tells this submission's temporary files from others'. */
export async function submitState(
  files: Files,
  layout: Layout,
  candidate: Candidate,
  unique: string,
): Promise<Submitted> {
  const target = layout.state(candidate.name);
  const content = new TextDecoder().decode(candidate.bytes);
  // An archived state has its name for ever: it is done, and does not run again.
  const there = await readText(files, await findState(files, layout, candidate.name));
  if (there === undefined) {
    if (await isArchived(files, layout, candidate.name)) return 'name taken';
    const temporary = `${layout.root}/.submit-${unique}`;
    const outcome = await publish(files, temporary, target, content);
    if (outcome === 'ours') return 'submitted';
  }
  return (there ?? (await readText(files, target))) === content ? 'there already' : 'name taken';
}
