/** Putting state files into a volume from outside: whole, and never over what is there. */
import type { Submitted } from '../store/contract.ts';
import { isArchived } from './archive.ts';
import { createAnew, exactly, linkOnce, publish, readText, remove } from './exclusive.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';

/** What is submitted: `name` is the state file's, `bytes` its content. */
export interface Submission {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** I9. `unique` tells this submission's temporary files from others'. */
export async function submitState(
  files: Files,
  layout: Layout,
  submission: Submission,
  unique: string,
): Promise<Submitted> {
  const there = await outcomeOfExisting(files, layout, submission);
  if (there !== undefined) return there;
  const { name } = submission;
  const content = textOf(submission.bytes);
  const temporary = temporaryOf(layout, unique);
  const outcome = await publish(files, temporary, layout.state(name), content);
  return outcome === 'ours' ? 'submitted' : outcomeOfTaken(files, layout, name, content);
}

/** Files that can make many files survive a power cut at the price of a few. */
export interface BatchFiles extends Files {
  /** As `sync` of each of `paths`, which are files in `directory`; resolves early after `stop`. */
  syncAll(directory: string, paths: readonly string[], stop: AbortSignal): Promise<void>;
}

export interface Batch {
  /** Tells this submission's temporary files from others'. */
  readonly unique: string;
  readonly stop: AbortSignal;
  /** Lets other things happen, and tells how many have their outcome: now and then. */
  readonly breathe: (count: number) => Promise<void>;
}

/** Files that are staged, synced and published together. */
const GROUP = 5000;
const BREATHE_AFTER = 250;

/**
 * Submits many: each as `submitState` does, but what is written is synced once for a group of them, before any of the
 * group is published. After `stop` nothing more is published. Returns the outcomes of those that were tried, in order.
 */
export async function submitStates(
  files: BatchFiles,
  layout: Layout,
  submissions: readonly Submission[],
  batch: Batch,
): Promise<Map<string, Submitted>> {
  const outcomes = new Map<string, Submitted>();
  const staging = temporaryOf(layout, batch.unique);
  await files.makeDirectory(staging);
  try {
    for (let start = 0; start < submissions.length && !batch.stop.aborted; start += GROUP) {
      const group = submissions.slice(start, start + GROUP);
      await submitGroup(files, layout, group, { ...batch, staging, outcomes });
    }
  } finally {
    await files.removeDirectory(staging);
  }
  return outcomes;
}

async function submitGroup(
  files: BatchFiles,
  layout: Layout,
  group: readonly Submission[],
  {
    staging,
    outcomes,
    stop,
    breathe,
  }: Batch & { readonly staging: string; readonly outcomes: Map<string, Submitted> },
): Promise<void> {
  const staged = new Map<string, string>();
  let steps = 0;
  const goesOn = async (): Promise<boolean> => {
    if (++steps % BREATHE_AFTER === 0) await breathe(outcomes.size);
    return !stop.aborted;
  };
  try {
    for (const submission of group) {
      if (!(await goesOn())) return;
      const { name } = submission;
      const there = await outcomeOfExisting(files, layout, submission);
      if (there !== undefined) outcomes.set(name, there);
      else {
        const content = textOf(submission.bytes);
        staged.set(name, content);
        await createAnew(files, `${staging}/${name}`, content);
      }
    }
    await files.syncAll(
      staging,
      [...staged.keys()].map((name) => `${staging}/${name}`),
      stop,
    );
    for (const [name, content] of staged) {
      if (!(await goesOn())) return;
      const taken = await linkOnce(
        files,
        `${staging}/${name}`,
        layout.state(name),
        exactly(content),
      );
      const outcome =
        taken === 'ours' ? 'submitted' : await outcomeOfTaken(files, layout, name, content);
      outcomes.set(name, outcome);
    }
  } finally {
    for (const name of staged.keys()) await remove(files, `${staging}/${name}`);
  }
}

const temporaryOf = (layout: Layout, unique: string): string => `${layout.root}/.submit-${unique}`;

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** What submitting this comes to without doing anything; undefined where there is no state of this name. */
export async function outcomeOfExisting(
  files: Files,
  layout: Layout,
  { name, bytes }: Submission,
): Promise<Submitted | undefined> {
  let path = layout.state(name);
  if ((await files.stat(path)) === undefined) {
    if (!(await isArchived(files, layout, name))) return undefined;
    path = layout.archivedState(name);
  }
  const content = textOf(bytes);
  // An archived state has its name for ever: it is done, and does not run again.
  return (await readText(files, path)) === content ? 'there already' : 'name taken';
}

async function outcomeOfTaken(
  files: Files,
  layout: Layout,
  name: string,
  content: string,
): Promise<Submitted> {
  return (await readText(files, layout.state(name))) === content ? 'there already' : 'name taken';
}
