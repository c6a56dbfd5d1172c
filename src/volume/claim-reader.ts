/**
 * Reads what this session has claimed, and decides what it is: ready for a slot, to be decided without a tick, not whole yet,
 * or never to be run.
 */
import type { Clock, Log } from '../engine/ports.ts';
import type { WorkerInfo } from '../engine/session.ts';
import { InvariantError } from '../machine/invariant.ts';
import { copyPatience, type StateFile } from '../machine/state-file.ts';
import {
  classifyState,
  readPlainState,
  type ClaimedTask,
  type ParsedRead,
  type ReadContext,
} from './claimed-task.ts';
import type { ClaimedTasks } from './claimed-tasks.ts';
import type { VolumeOperations, VolumeOutcome } from './operations.ts';
import { cycleLength } from './phases/cycle.ts';

export interface QueuePorts {
  readonly clock: Clock;
  readonly log: Log;
}

/** States that are claimed, read or settled in one go: tasks are handed out in between. */
export const MAX_BURST_STATES = 1024;
/** Neither the content of a file nor an errno. */
const UNREAD = '\0 not read';
const NO_EVENTS: readonly never[] = [];

export class ClaimReader {
  readonly #ports: QueuePorts;
  readonly #worker: WorkerInfo;
  readonly #tasks: ClaimedTasks;

  constructor(ports: QueuePorts, worker: WorkerInfo, tasks: ClaimedTasks) {
    this.#ports = ports;
    this.#worker = worker;
    this.#tasks = tasks;
  }

  /** Reads a burst. `again`: also what did not parse. `onChange`: called with what is decided without the worker. */
  async examine(
    operations: VolumeOperations,
    again: boolean,
    onChange: (task: ClaimedTask, change: VolumeOutcome) => void,
  ): Promise<void> {
    const plain = await this.#readPlain(operations, this.#toRead(false));
    for (const task of this.#toRead(again)) {
      if (!this.#tasks.isHeld(task)) return;
      try {
        const read = plain.get(task);
        if (read === undefined) await this.#read(operations, task, onChange);
        else await this.#keep(operations, task, read);
      } catch (error) {
        // Any other error may be of the file, or of a user's machine: one state must not end worker after worker.
        if (error instanceof InvariantError) throw error;
        this.readLater(task, error);
      }
    }
  }

  async #read(
    operations: VolumeOperations,
    task: ClaimedTask,
    onChange: (task: ClaimedTask, change: VolumeOutcome) => void,
  ): Promise<void> {
    const state = await operations.readState(task.name);
    const found = classifyState(task.name, state, task.partial, this.context(operations));
    if (found.kind === 'wait') task.partial = found.partial;
    else if (found.kind === 'change') onChange(task, found.change);
    else await this.#keep(operations, task, found.read);
  }

  /** Makes ready what is in order and needs a slot. Returns what is in order and needs none, perhaps. */
  async #readPlain(
    operations: VolumeOperations,
    tasks: readonly ClaimedTask[],
  ): Promise<ReadonlyMap<ClaimedTask, ParsedRead>> {
    const byName = new Map(tasks.map((task) => [task.name, task]));
    const others = new Map<ClaimedTask, ParsedRead>();
    await operations.readMany([...byName.keys()], (name, bytes) => {
      const task = byName.get(name)!;
      const read = readPlainState(bytes);
      // The session may have expired meanwhile: the state is no longer its own.
      if (read === undefined || !this.#tasks.isHeld(task)) return;
      if (this.needsSlot(read.file)) {
        task.read = read;
        this.#tasks.move(task, 'ready');
      } else others.set(task, read);
    });
    return others;
  }

  /** A list of its own: a state that is to be read later is put at the end of those that are claimed. */
  #toRead(again: boolean): ClaimedTask[] {
    const tasks: ClaimedTask[] = [];
    for (const task of this.#tasks.in('claimed')) {
      if (tasks.length === MAX_BURST_STATES) break;
      if (task.partial === undefined || again) tasks.push(task);
    }
    return tasks;
  }

  /** Not at once: in the next Worker Commitment. */
  readLater(task: ClaimedTask, error: unknown): void {
    this.#ports.log.warn({ err: error, state: task.name }, 'cannot read; trying again');
    task.partial = { content: UNREAD, since: this.#ports.clock.monotonic() };
    this.#tasks.move(task, 'claimed');
  }

  context(operations: VolumeOperations): ReadContext {
    const { token, phases } = operations;
    return {
      session: token.session,
      worker: token.worker,
      now: operations.stamp(),
      at: this.#ports.clock.monotonic(),
      patience: copyPatience(cycleLength(phases)),
    };
  }

  /** With its events, if it is decided without a tick. */
  async #keep(operations: VolumeOperations, task: ClaimedTask, read: ParsedRead): Promise<void> {
    const needsSlot = this.#worker.needsSlot(read.file);
    const events = needsSlot ? NO_EVENTS : await operations.events(task.name);
    task.read = { ...read, needsSlot, events };
    this.#tasks.move(task, needsSlot ? 'ready' : 'undecided');
  }

  /** False where a user's machine throws: `examine` asks it again, and logs that. */
  needsSlot(file: StateFile): boolean {
    try {
      return this.#worker.needsSlot(file);
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      return false;
    }
  }
}
