/** What a state waits for: open branches of a join, with the last state of each, and pending events. */
import { realClock } from '../api/node-ports.ts';
import { instanceProblem, stateName } from '../machine/name.ts';
import { parseFailureRecord } from '../machine/record.ts';
import { parseStateFile, type Joins } from '../machine/state-file.ts';
import { findState, readDoneFlag } from '../volume/archive.ts';
import { readText } from '../volume/atomic-files.ts';
import { lastState } from '../volume/chain-steps.ts';
import type { Files } from '../volume/files.ts';
import type { Layout } from '../volume/layout.ts';
import { readPending, stillCounts, type QueuedEvent } from '../volume/inbox.ts';
import { parseToken } from '../volume/token.ts';

/** A branch that has not ended, as far as the join knows. */
export interface OpenBranch {
  readonly branch: string;
  /** Its last state file; the name of the first one if there is none yet. */
  readonly state: string;
  readonly is: 'done' | 'failed' | 'in progress' | 'waiting' | 'available' | 'missing';
  readonly worker: string | undefined;
  readonly reason: string | undefined;
  /** Its own open branches, if it is a join. */
  readonly blockedBy: readonly OpenBranch[];
}

export async function openBranches(
  files: Files,
  layout: Layout,
  join: Joins | undefined,
): Promise<OpenBranch[]> {
  const open: OpenBranch[] = [];
  for (const [branch, { instance, ended }] of Object.entries(join ?? {})) {
    // A state file may be written by hand: the name may be invalid.
    if (ended !== undefined || instanceProblem(instance) !== undefined) continue;
    open.push(await whereIs(files, layout, branch, instance));
  }
  return open;
}

async function whereIs(
  files: Files,
  layout: Layout,
  branch: string,
  instance: string,
): Promise<OpenBranch> {
  const last = await lastState(files, layout, instance);
  const state = last?.name ?? stateName(instance, 0);
  const doneText = await readDoneFlag(files, layout, state);
  const failedText = await readText(files, layout.flag('failed', state));
  const claimText = await readText(files, layout.flag('in_progress', state));
  const failure = parseFailureRecord(failedText ?? '', state);
  // A different file with the branch's name blocks the join even if that file is done.
  const isTaken = failure?.code === 'successor-taken';
  const present = {
    failed: isTaken || doneText === undefined ? failedText : undefined,
    done: doneText,
    'in progress': claimText,
    waiting: await readText(files, layout.flag('waiting', state)),
  };
  const flag = Object.entries(present).find(([, text]) => text !== undefined)?.[0];
  const absent = last === undefined ? 'missing' : 'available';
  const { join } = doneText === undefined ? await readState(files, layout, state) : {};
  return {
    branch,
    state,
    is: (flag ?? absent) as OpenBranch['is'],
    worker: parseToken(claimText)?.worker ?? failure?.worker,
    reason: flag === 'failed' ? (failure?.reason ?? 'the flag gives no reason') : undefined,
    blockedBy: await openBranches(files, layout, join),
  };
}

async function readState(
  files: Files,
  layout: Layout,
  name: string,
): Promise<{ readonly join?: Joins }> {
  const bytes = await files.read(await findState(files, layout, name)).catch(() => undefined);
  const parsed = bytes === undefined ? undefined : parseStateFile(bytes);
  return parsed?.ok === true ? parsed.file : {};
}

/** One line for each branch; branches of branches are indented. */
export function describeBlocked(branches: readonly OpenBranch[], indent = ''): string[] {
  return branches.flatMap(({ branch, state, is, worker, reason, blockedBy }) => {
    const who = is === 'in progress' && worker !== undefined ? ` on ${worker}` : '';
    const why = reason === undefined ? '' : `: ${reason}`;
    return [
      `${indent}waits for branch ${branch}: ${state} is ${is}${who}${why}`,
      ...describeBlocked(blockedBy, `${indent}  `),
    ];
  });
}

/** `in`: milliseconds until the event is due. */
export type ComingEvent = QueuedEvent & { readonly in: number };

/**
 * Reads those of the pending events `names` that apply to an instance in a state that it has been in `since`: not those of timers
 * of earlier states.
 */
export async function comingEvents(
  files: Files,
  layout: Layout,
  names: readonly Parameters<typeof readPending>[2][],
  since: string | undefined,
): Promise<ComingEvent[]> {
  const coming: ComingEvent[] = [];
  for (const name of names) {
    const event = await readPending(files, layout, name);
    if (event === undefined || !stillCounts(event, since)) continue;
    const left = Math.max(0, Math.round(Date.parse(event.time) - realClock.now()));
    coming.push({ ...event, in: event.isDelayed ? left : 0 });
  }
  return coming;
}
