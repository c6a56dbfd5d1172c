/**
 * I10: each event is applied once. The file `outcomes/KEY` is created once and never changes: it is the record of the state in
 * which the event is to be applied, linked *before* that state is committed. It says which flag in `done/` to read, and only
 * that flag counts. If another session has committed that state without the event, the next generation of the name is free.
 * KEY stands for the event's id: see `machine/event.ts`.
 */
import {
  appliedIn,
  appliedKeys,
  parseCommitRecord,
  parseRejection,
  recordOfEvent,
} from '../machine/record.ts';
import type { EventResult } from '../engine/engine.ts';
import { readDoneFlag } from './archive.ts';
import { readText } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';

export type EventStatus =
  /** Not assigned: this generation of its name can be created. */
  | { readonly kind: 'free'; readonly generation: number }
  /** It is applied if `state` is committed with it. */
  | { readonly kind: 'assigned'; readonly state: string }
  | EventResult
  /** The outcome cannot be read as one of this event now (I8). */
  | { readonly kind: 'unknown' };

export async function eventStatus(files: Files, layout: Layout, key: string): Promise<EventStatus> {
  for (let generation = 0; ; generation += 1) {
    const path = layout.outcome(key, generation);
    // Most do not exist, and a stat costs less than an error.
    const text = (await files.stat(path)) === undefined ? undefined : await readText(files, path);
    if (text === undefined) return { kind: 'free', generation };
    const rejection = parseRejection(text);
    if (rejection !== undefined) return { kind: 'over', outcome: rejection };
    const state = recordOfEvent(text, key)?.state;
    if (state === undefined) return { kind: 'unknown' };
    const done = await readDoneFlag(files, layout, state);
    if (done === undefined) return { kind: 'assigned', state };
    const committed = parseCommitRecord(done, state);
    const outcome = committed === undefined ? undefined : appliedIn(committed, key);
    if (outcome !== undefined) return { kind: 'over', outcome, state };
  }
}

/**
 * Can this staged record of `state` never be committed? True if one of its events is over in another state: a commit first
 * assigns each of its events, and an assignment is final.
 */
export async function canNeverCommit(
  files: Files,
  layout: Layout,
  state: string,
  staged: string,
): Promise<boolean> {
  for (const key of appliedKeys(parseCommitRecord(staged, state))) {
    const status = await eventStatus(files, layout, key);
    if (status.kind === 'over' && status.state !== state) return true;
  }
  return false;
}
