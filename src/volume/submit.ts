/** Submits state files to a volume from outside: each is published complete, and never replaces a file. */
import type { NewState, SubmitResult } from '../engine/engine.ts';
import { isArchived } from './archive.ts';
import {
  recreate,
  equals,
  linkIfAbsent,
  readText,
  writeAtomically,
  remove,
} from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';

/** I9. `unique`: part of the names of this submission's temporary files. */
export async function submitState(
  files: Files,
  layout: Layout,
  submission: NewState,
  unique: string,
): Promise<SubmitResult> {
  const there = await outcomeOfExisting(files, layout, submission);
  if (there !== undefined) return there;
  const { name } = submission;
  const content = textOf(submission.bytes);
  const temporary = temporaryOf(layout, unique);
  const outcome = await writeAtomically(files, temporary, layout.state(name), content);
  return outcome === 'ours' ? 'submitted' : outcomeOfTaken(files, layout.state(name), content);
}

export interface BatchFiles extends Files {
  /** Syncs each of `paths`, files in `directory`, at the price of a few syncs; resolves early after `stop`. */
  syncAll?(directory: string, paths: readonly string[], stop: AbortSignal): Promise<void>;
}

export interface Batch {
  /** Part of the names of this submission's temporary files. */
  readonly unique: string;
  readonly stop: AbortSignal;
  /** Called now and then: yields; `count`: how many submissions have their outcome. */
  readonly yieldToSignals: (count: number) => Promise<unknown>;
}

/** Files that are staged, synced and published together. */
const GROUP_SIZE = 5000;
const STEPS_PER_YIELD = 250;

/**
 * Submits many states, each as `submitState` does, but files are synced once per group, before any file of the group is
 * published; the next group is staged meanwhile. After `stop` nothing more is published. Returns the outcomes of those that
 * were tried, in order.
 */
export async function submitStates(
  files: BatchFiles,
  layout: Layout,
  submissions: readonly NewState[],
  batch: Batch,
): Promise<Map<string, SubmitResult>> {
  const submitter = new BatchSubmitter(files, layout, batch);
  await files.makeDirectory(submitter.staging);
  try {
    let syncing: Promise<readonly Tried[]> | undefined;
    for (let start = 0; start < submissions.length && !batch.stop.aborted; start += GROUP_SIZE) {
      const group = await submitter.stage(submissions.slice(start, start + GROUP_SIZE));
      const before = syncing;
      syncing = submitter.sync(group);
      // Awaited in the next round: an error must not count as unhandled until then.
      syncing.catch(() => undefined);
      if (before !== undefined) await submitter.publish(await before);
    }
    if (syncing !== undefined) await submitter.publish(await syncing);
    return submitter.outcomes;
  } finally {
    await submitter.close();
  }
}

/** A state of a group: staged, or found to exist. */
interface Tried {
  readonly name: string;
  readonly content: string;
  /** Its outcome if it exists. */
  readonly there: SubmitResult | undefined;
}

class BatchSubmitter {
  /** In the order of the submissions. */
  readonly outcomes = new Map<string, SubmitResult>();
  readonly staging: string;
  readonly #files: BatchFiles;
  readonly #layout: Layout;
  readonly #batch: Batch;
  readonly #staged = new Set<string>();
  #hasArchive = false;
  #steps = 0;

  constructor(files: BatchFiles, layout: Layout, batch: Batch) {
    this.#files = files;
    this.#layout = layout;
    this.#batch = batch;
    this.staging = temporaryOf(layout, batch.unique);
  }

  /**
   * Stages the states that do not exist yet. No state is looked for in `archive/` before there is one, which is asked after
   * the last look into the root: a state that is archived meanwhile is in one of them.
   */
  async stage(submissions: readonly NewState[]): Promise<readonly Tried[]> {
    const group = await this.#stageNew(submissions);
    if (this.#hasArchive) return group;
    this.#hasArchive = (await this.#files.stat(this.#layout.archive)) !== undefined;
    return this.#hasArchive ? this.#stageNew(submissions) : group;
  }

  async #stageNew(submissions: readonly NewState[]): Promise<Tried[]> {
    const group: Tried[] = [];
    let last: { readonly bytes: Uint8Array; readonly content: string } | undefined;
    for (const { name, bytes } of submissions) {
      if (!(await this.#mayGoOn())) break;
      // New instances of a machine share their bytes.
      if (last?.bytes !== bytes) last = { bytes, content: textOf(bytes) };
      const { content } = last;
      const there = await this.#outcomeOfExisting(name, content);
      if (there === undefined) {
        this.#staged.add(name);
        await recreate(this.#files, this.#pathOf(name), content);
      }
      group.push({ name, content, there });
    }
    return group;
  }

  async #outcomeOfExisting(name: string, content: string): Promise<SubmitResult | undefined> {
    const [files, layout] = [this.#files, this.#layout];
    const path = this.#hasArchive
      ? await pathOfExisting(files, layout, name)
      : await pathInRoot(files, layout, name);
    return path === undefined ? undefined : outcomeOfTaken(files, path, content);
  }

  async sync(group: readonly Tried[]): Promise<readonly Tried[]> {
    const staged = group.filter(({ there }) => there === undefined);
    const paths = staged.map(({ name }) => this.#pathOf(name));
    const { stop } = this.#batch;
    if (this.#files.syncAll === undefined) for (const path of paths) await this.#files.sync(path);
    else await this.#files.syncAll(this.staging, paths, stop);
    return group;
  }

  /** After a stop, only outcomes of states that exist. */
  async publish(group: readonly Tried[]): Promise<void> {
    for (const { name, content, there } of group) {
      if (there !== undefined) this.outcomes.set(name, there);
      else if (await this.#mayGoOn()) this.outcomes.set(name, await this.#link(name, content));
    }
  }

  async #link(name: string, content: string): Promise<SubmitResult> {
    const staged = this.#pathOf(name);
    const state = this.#layout.state(name);
    const taken = await linkIfAbsent(this.#files, staged, state, equals(content));
    const outcome =
      taken === 'ours' ? 'submitted' : await outcomeOfTaken(this.#files, state, content);
    await this.#unstage(name);
    return outcome;
  }

  async close(): Promise<void> {
    for (const name of this.#staged) await this.#unstage(name);
    await this.#files.removeDirectory(this.staging);
  }

  async #unstage(name: string): Promise<void> {
    await remove(this.#files, this.#pathOf(name));
    this.#staged.delete(name);
  }

  #pathOf(name: string): string {
    return `${this.staging}/${name}`;
  }

  async #mayGoOn(): Promise<boolean> {
    this.#steps += 1;
    if (this.#steps % STEPS_PER_YIELD === 0) await this.#batch.yieldToSignals(this.outcomes.size);
    return !this.#batch.stop.aborted;
  }
}

const temporaryOf = (layout: Layout, unique: string): string => `${layout.root}/.submit-${unique}`;

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** The outcome of submitting to a name that exists, in the root or in the archive; undefined for a new name. */
export async function outcomeOfExisting(
  files: Files,
  layout: Layout,
  { name, bytes }: NewState,
): Promise<SubmitResult | undefined> {
  const path = await pathOfExisting(files, layout, name);
  return path === undefined ? undefined : outcomeOfTaken(files, path, textOf(bytes));
}

/** An archived state has its name for ever: it is done, and does not run again. */
async function pathOfExisting(
  files: Files,
  layout: Layout,
  name: string,
): Promise<string | undefined> {
  const path = await pathInRoot(files, layout, name);
  if (path !== undefined) return path;
  return (await isArchived(files, layout, name)) ? layout.archivedState(name) : undefined;
}

async function pathInRoot(files: Files, layout: Layout, name: string): Promise<string | undefined> {
  const path = layout.state(name);
  return (await files.stat(path)) === undefined ? undefined : path;
}

async function outcomeOfTaken(files: Files, path: string, content: string): Promise<SubmitResult> {
  return (await readText(files, path)) === content ? 'there already' : 'name taken';
}
