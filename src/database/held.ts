/** A state that a session holds: its task, and what the session knows of it besides. */
import type { Task, WorkerInfo } from '../engine/session.ts';
import { stateName } from '../machine/name.ts';
import { parseCommitRecord, pastStep } from '../machine/record.ts';
import type { StateFile } from '../machine/state-file.ts';
import type { Database, SeenState, StoredHold, TakenState } from './database.ts';
import { attemptsOf, fileOf } from './steps.ts';

export interface Held extends StoredHold {
  readonly task: Task;
  readonly abort: AbortController;
  /** ISO 8601, the store's time. */
  readonly since: string;
  /** By instance: the step that it has seen, -1 for none. */
  readonly observed: Map<string, number>;
  /** Monotonic, ms. */
  deadline: number;
  /** Monotonic, ms: when its lease began. */
  leased: number;
  isSettling: boolean;
}

interface Circumstances extends Pick<Held, 'since' | 'leased'>, Pick<Task, 'session' | 'asOf'> {
  /** As of the moment in which it was taken. */
  readonly seen: readonly SeenState[];
  readonly worker: WorkerInfo;
  readonly database: Database;
}

const encoder = new TextEncoder();

export function newHeld(
  { instance, step, fence, attempts, events }: TakenState,
  file: StateFile,
  { session, asOf, since, leased, seen, worker, database }: Circumstances,
): Held {
  const abort = new AbortController();
  const observed = new Map<string, number>();
  const task: Task = {
    name: stateName(instance, step),
    session,
    file,
    attempts: attemptsOf(attempts),
    events: worker.needsSlot(file) ? [] : events,
    asOf,
    signal: abort.signal,
    observe: (other) => {
      if (!worker.observes.includes(other)) {
        throw new Error(`cannot observe ${other}: name it in the machine's sensors`);
      }
      const last = seen.find((one) => one.instance === other);
      observed.set(other, last?.step ?? -1);
      return last && fileOf(stateName(other, last.step), last.body);
    },
    history: async () => {
      const steps = await database.steps(instance);
      return steps
        .filter((one) => one.step <= step)
        .map((one) => {
          const name = stateName(instance, one.step);
          const record = parseCommitRecord(one.record ?? '', name);
          return pastStep(name, encoder.encode(one.body), record);
        });
    },
  };
  const deadline = Number.POSITIVE_INFINITY;
  return {
    task,
    instance,
    step,
    fence,
    abort,
    since,
    observed,
    deadline,
    leased,
    isSettling: false,
  };
}
