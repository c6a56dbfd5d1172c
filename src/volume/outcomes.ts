/**
 * I10: each event is applied once. Its outcome is a name that is made once and never changes hands: the record of
 * the state in which the event is to be applied, linked *before* that state is committed. So whoever finds
 * the name knows where to look, and only what `done/` says there counts. Should another session have committed that
 * state without the event, the next generation of the name is free for it.
 */
import { appliedIn, parseCommitRecord, parseRejection, recordOfEvent } from '../machine/record.ts';
import type { Over } from '../engine/engine.ts';
import { readDoneFlag } from './archive.ts';
import { readText } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';

export type EventStatus =
  /** Nobody has it: this generation of its name is to be made. */
  | { readonly kind: 'free'; readonly generation: number }
  /** It is to be applied in `state`, if that is committed with it. */
  | { readonly kind: 'assigned'; readonly state: string }
  | Over
  /** What would tell is not to be seen now (I8). */
  | { readonly kind: 'unknown' };

export async function eventStatus(files: Files, layout: Layout, id: string): Promise<EventStatus> {
  for (let generation = 0; ; generation += 1) {
    const path = layout.outcome(id, generation);
    // Most are not there, and a look costs less than an error.
    const text = (await files.stat(path)) === undefined ? undefined : await readText(files, path);
    if (text === undefined) return { kind: 'free', generation };
    const verdict = parseRejection(text);
    if (verdict !== undefined) return { kind: 'over', outcome: verdict };
    const state = recordOfEvent(text, id)?.state;
    if (state === undefined) return { kind: 'unknown' };
    const done = await readDoneFlag(files, layout, state);
    if (done === undefined) return { kind: 'assigned', state };
    const committed = parseCommitRecord(done, state);
    const outcome = committed === undefined ? undefined : appliedIn(committed, id);
    if (outcome !== undefined) return { kind: 'over', outcome, state };
  }
}

/**
 * Can the record of `state` that somebody has staged never be committed? So it is when one of its events is over, and
 * not by it: before a commit comes the assignment of each, and that is for good.
 */
export async function canNeverCommit(
  files: Files,
  layout: Layout,
  state: string,
  staged: string,
): Promise<boolean> {
  for (const { id } of parseCommitRecord(staged, state)?.events ?? []) {
    const standing = await eventStatus(files, layout, id);
    if (standing.kind === 'over' && standing.state !== state) return true;
  }
  return false;
}
