/** The true progress of instances, on whatever engine, for the checkers. */
import type { CommitRecord, PublishedState } from '../machine/record.ts';

export interface TrueSteps {
  isDone(name: string): boolean;
  /** Undefined if the state is not done, or was committed without a record. */
  recordOf(name: string): CommitRecord | undefined;
  /** The entry for this state file in the record of the step that leads to it, if that is done. */
  follower(name: string): PublishedState | undefined;
  /** Whether the state file exists. */
  hasState(name: string): boolean;
  /** The content of an event; undefined if there is none of this name. */
  eventText(file: string): string | undefined;
}
