/** Reads the steps of one instance for users: each state file with its flag, record and attempts. */
import { stateName, parseStateName } from '../machine/name.ts';
import { parseCommitRecord, parseFailureRecord, pastStep } from '../machine/record.ts';
import type { InstanceStep } from '../engine/engine.ts';
import { findState, isDone, readDoneFlag, isArchived } from './archive.ts';
import { readTried } from './attempts.ts';
import type { JournalEntry } from './operations.ts';
import { readText } from './atomic-files.ts';
import type { Files } from './files.ts';
import { lastEntriesOf, type HistoryFiles } from './history.ts';
import type { Layout } from './layout.ts';
import { parseToken } from './token.ts';
import { readStateFile, wholeOf } from './read-state.ts';
import type { PastStep } from '../machine/definition.ts';

type FindEntry = (name: string) => Promise<JournalEntry | undefined>;

/** Looks entries up in the journals, which are long: they are read once, at the first step that has no record. */
function journalOf(files: HistoryFiles, layout: Layout, instance: string): FindEntry {
  let journal: ReadonlyMap<string, JournalEntry> | undefined;
  return async (name) => {
    journal ??= await lastEntriesOf(files, layout, instance);
    return journal.get(name);
  };
}

export async function readChain(
  files: HistoryFiles,
  layout: Layout,
  instance: string,
): Promise<InstanceStep[]> {
  const entryOf = journalOf(files, layout, instance);
  const chain: InstanceStep[] = [];
  for (let step = 0; ; step += 1) {
    const name = stateName(instance, step);
    // A user may have deleted a state file; its flag says that it existed.
    if (!(await exists(files, layout, name)) && !(await isDone(files, layout, name))) return chain;
    chain.push(await readStep(files, layout, name, entryOf));
  }
}

/** The last step; undefined if there is no such instance. */
export async function readLast(
  files: HistoryFiles,
  layout: Layout,
  instance: string,
): Promise<InstanceStep | undefined> {
  const last = await lastState(files, layout, instance);
  if (last === undefined) return undefined;
  return readStep(files, layout, last.name, journalOf(files, layout, instance));
}

async function readStep(
  files: Files,
  layout: Layout,
  name: string,
  entryOf: FindEntry,
): Promise<InstanceStep> {
  // A step is shown with a state file that cannot be read, too.
  const file = await readStateFile(files, layout, name).catch(() => undefined);
  const inDone = (await files.stat(layout.flag('done', name))) !== undefined;
  const doneText = await readDoneFlag(files, layout, name);
  const failedText = await readText(files, layout.flag('failed', name));
  const claimText = await readText(files, layout.flag('in_progress', name));
  const record = parseCommitRecord(doneText ?? '', name);
  const failure = parseFailureRecord(failedText ?? '', name);
  const last = record === undefined ? await entryOf(name) : undefined;
  const present = {
    done: inDone ? doneText : undefined,
    archived: doneText,
    failed: failedText,
    'in progress': claimText,
    waiting: await readText(files, layout.flag('waiting', name)),
  };
  const flag = (Object.entries(present).find(([, text]) => text !== undefined)?.[0] ??
    'available') as InstanceStep['flag'];
  const token = parseToken(doneText ?? claimText);
  return {
    name,
    flag,
    machine: file?.machine,
    state: file?.state,
    payload: file?.payload,
    hook: file?.hook?.run,
    worker: record?.worker ?? failure?.worker ?? token?.worker,
    started: record?.started ?? last?.started,
    duration:
      record === undefined
        ? last?.duration
        : Date.parse(record.finished) - Date.parse(record.started),
    attempts:
      record?.attempts ?? failure?.attempts ?? (await readTried(files, layout, name)).attempts,
    events: record?.events ?? [],
    output: record?.output,
    reason: doneText === undefined ? failure?.reason : undefined,
    join: file?.join,
  };
}

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

/** Steps up to the state file `last`. Throws if a file is missing or unreadable. */
export async function readPastSteps(
  files: Files,
  layout: Layout,
  last: string,
): Promise<PastStep[]> {
  const { instance, step } = parseStateName(last)!;
  const steps: PastStep[] = [];
  for (let index = 0; index <= step; index += 1) {
    const name = stateName(instance, index);
    const bytes = await files.read(await findState(files, layout, name));
    const whole = await wholeOf(files, layout, name, bytes);
    const flag = name === last ? undefined : await readDoneFlag(files, layout, name);
    steps.push(pastStep(name, whole, parseCommitRecord(flag ?? '', name)));
  }
  return steps;
}
