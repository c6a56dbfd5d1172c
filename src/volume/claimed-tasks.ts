/** What a session holds, by name and by stage. A question costs as much as its answer is long. */
import { invariant } from '../machine/invariant.ts';
import type { ClaimedTask } from './claimed-task.ts';
import type { HeldClaim } from './operations.ts';

type Stage = ClaimedTask['stage'];

/** Where a state may go from a stage: see `ClaimedTask`. What is finished stays so until it is settled. */
const NEXT_STAGES: Readonly<Record<Stage, readonly Stage[]>> = {
  claimed: ['claimed', 'undecided', 'ready', 'finished'],
  undecided: ['deciding', 'finished'],
  deciding: ['claimed', 'finished'],
  ready: ['running', 'finished'],
  running: ['claimed', 'finished'],
  finished: [],
};

/** A queue is not moved up for fewer passed places than this. */
const MIN_PASSED_PLACES = 1024;

export class ClaimedTasks {
  readonly #byName = new Map<string, ClaimedTask>();
  readonly #byStage: Readonly<Record<Stage, Set<ClaimedTask>>> = {
    claimed: new Set(),
    undecided: new Set(),
    deciding: new Set(),
    ready: new Set(),
    running: new Set(),
    finished: new Set(),
  };
  /** Those that are, or were, ready: by priority, in order. */
  readonly #queues = new Map<number, Queue>();
  /** Successors of what is not settled yet: they may be claimed before they are held. */
  readonly #following = new Set<string>();

  get size(): number {
    return this.#byName.size;
  }

  get all(): Iterable<ClaimedTask> {
    return this.#byName.values();
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  isHeld(task: ClaimedTask): boolean {
    return this.#byName.get(task.name) === task;
  }

  isFollowing(name: string): boolean {
    return this.#following.has(name);
  }

  in(stage: Stage): ReadonlySet<ClaimedTask> {
    return this.#byStage[stage];
  }

  /** True if each state that is held is in exactly one stage. */
  get isConsistent(): boolean {
    let size = 0;
    for (const stage in this.#byStage) size += this.#byStage[stage as Stage].size;
    return size === this.#byName.size;
  }

  add(task: ClaimedTask): void {
    invariant(!this.#byName.has(task.name), 'I6: expected one hold of a state', task.name);
    invariant(task.stage === 'claimed', 'I6: expected a new hold to be claimed only', task.name);
    this.#byName.set(task.name, task);
    this.#byStage[task.stage].add(task);
  }

  /** `read` and `step` are set before. */
  move(task: ClaimedTask, stage: Stage): void {
    const { name, step } = task;
    invariant(this.isHeld(task), 'I6: expected to hold a state that changes its stage', name);
    const mayFollow = NEXT_STAGES[task.stage].includes(stage);
    invariant(mayFollow, 'I6: expected a stage that may follow the present one', name);
    const isDecided = step !== undefined;
    invariant(isDecided === (stage === 'finished'), 'I1: expected finished = decided', name);
    this.#byStage[task.stage].delete(task);
    task.stage = stage;
    this.#byStage[stage].add(task);
    if (stage === 'ready') this.#enqueue(task);
    const successor = successorOf(task);
    if (successor !== undefined) this.#following.add(successor);
  }

  delete(task: ClaimedTask): void {
    invariant(this.isHeld(task), 'I6: expected to hold a state that is given up', task.name);
    this.#byName.delete(task.name);
    this.#byStage[task.stage].delete(task);
    this.#following.delete(successorOf(task) ?? '');
  }

  /** The next one to run: of the highest priority, the one that has waited longest. */
  get next(): ClaimedTask | undefined {
    let best: ClaimedTask | undefined;
    for (const [priority, queue] of this.#queues) {
      const first = this.#firstOf(queue);
      if (first === undefined) this.#queues.delete(priority);
      else if (best === undefined || priority > priorityOf(best)) best = first;
    }
    return best;
  }

  #firstOf(queue: Queue): ClaimedTask | undefined {
    for (; queue.head < queue.tasks.length; queue.head += 1) {
      const task = queue.tasks[queue.head]!;
      if (this.#byStage.ready.has(task)) return task;
      // A task may stay ready for days: what has run must not be kept for so long.
      if (queue.head > MIN_PASSED_PLACES && 2 * queue.head > queue.tasks.length) {
        queue.tasks.splice(0, queue.head);
        queue.head = 0;
      }
    }
    return undefined;
  }

  #enqueue(task: ClaimedTask): void {
    const priority = priorityOf(task);
    const queue = this.#queues.get(priority) ?? { tasks: [], head: 0 };
    queue.tasks.push(task);
    this.#queues.set(priority, queue);
  }

  clear(): void {
    for (const task of this.all) this.delete(task);
  }
}

/** What is before `head` is ready no more. */
interface Queue {
  readonly tasks: ClaimedTask[];
  head: number;
}

function priorityOf({ read }: ClaimedTask): number {
  return read?.file.priority ?? 0;
}

function successorOf({ step }: ClaimedTask): string | undefined {
  return step?.change.kind === 'commit' ? step.change.record?.next?.name : undefined;
}

const MAX_REPORTED = 256;

const STAGES: readonly (readonly [ClaimedTask['stage'], HeldClaim['stage']])[] = [
  ['running', 'running'],
  ['claimed', 'claimed'],
  ['undecided', 'claimed'],
  ['deciding', 'claimed'],
  ['ready', 'ready'],
  ['finished', 'finished'],
];

/** What a session holds, for people: claims are links to one file, and have no time of their own. */
export function claimReport(tasks: ClaimedTasks): HeldClaim[] {
  const held: HeldClaim[] = [];
  for (const [of, stage] of STAGES) {
    for (const { name, since, read } of tasks.in(of)) {
      if (held.length >= MAX_REPORTED) return held;
      const machine = read && machineOf(read.file);
      const attempt = (read?.attempts.length ?? 0) + 1;
      held.push({ state: name, machine, stage, since, attempt });
    }
  }
  return held;
}

/** Without its version. A machine of one state has that state's name. */
function machineOf({ machine, state }: { machine?: string; state: string }): string {
  return (machine ?? state).split(':')[0]!;
}
