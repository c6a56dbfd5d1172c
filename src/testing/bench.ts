/** The exercise of an engine: its bench, a session driven by hand, and what it needs of a test framework (such as vitest). */
import type {
  Engine,
  InstanceFilter,
  JournalEntry,
  ListedInstance,
  NewState,
  SendResult,
  SubmitResult,
} from '../engine/engine.ts';
import { workerOf } from '../engine/decisions.ts';
import type { Clock } from '../engine/ports.ts';
import type { Hold, Session, Settlement, Task, WorkerInfo } from '../engine/session.ts';
import type { Json } from '../machine/definition.ts';
import type { EventFile } from '../machine/event.ts';
import { failureRecord, type CommitRecord } from '../machine/record.ts';
import {
  machineNames,
  machineStates,
  sensorsOf,
  resolveState,
  type Registry,
} from '../machine/registry.ts';
import { needsTick } from '../worker/plan.ts';
import { REGISTRY } from './machines.ts';

/** A new, empty engine whose time passes when the exercise says so. */
export interface EngineBench {
  readonly engine: Engine;
  /** The clock of the engine's workers and deadlines. */
  readonly clock: Clock;
  /** Milliseconds after which a session without a heartbeat has expired, and all other sessions know. */
  readonly expiryMs: number;
  /** Lets `ms` milliseconds pass. */
  pass(ms: number): Promise<void>;
  /** Makes the holds of a session expire, as if its process were killed; takes effect as time passes. */
  expire(session: Session, holds: readonly Hold[]): void;
}

export type MakeEngine = () => Promise<EngineBench>;

/** The part of `expect` that the exercise uses. */
export type Expect = (actual: unknown) => {
  toBe(expected: unknown): void;
  toEqual(expected: unknown): void;
  toMatchObject(expected: object): void;
};

export interface TestFramework {
  readonly test: (name: string, body: () => Promise<void>) => void;
  readonly expect: Expect;
}

/** Engine time after which an operation that has not ended is a failure. */
const MAX_OPERATION_MS = 120_000;
const PASS_STEP_MS = 20;
const encoder = new TextEncoder();

/** The first state of an instance. `file`: its text, or a value. */
export function newState(instance: string, file: unknown): NewState {
  const text = typeof file === 'string' ? file : JSON.stringify(file);
  return { name: `${instance}.state`, bytes: encoder.encode(text) };
}

/** Plays a worker by hand. */
export class Exercise {
  readonly bench: EngineBench;

  constructor(bench: EngineBench) {
    this.bench = bench;
  }

  get engine(): Engine {
    return this.bench.engine;
  }

  /** Lets time pass until the promise is settled. Throws after `limitMs`. */
  async until<Value>(promise: Promise<Value>, limitMs: number = MAX_OPERATION_MS): Promise<Value> {
    let isOver = false;
    const end = (): void => void (isOver = true);
    promise.then(end, end);
    for (let passed = 0; passed < limitMs; passed += PASS_STEP_MS) {
      await this.bench.pass(PASS_STEP_MS);
      if (isOver) return promise;
    }
    throw new Error(`expected the operation to end within ${limitMs} ms`);
  }

  join(
    name: string,
    more: Partial<WorkerInfo> & { readonly registry?: Registry } = {},
  ): Promise<Session> {
    return this.until(this.engine.join(infoOf(name, this.bench.clock, more)));
  }

  async submit(instance: string, file: unknown): Promise<SubmitResult> {
    const [result] = await this.until(this.engine.submit([newState(instance, file)]));
    return result!;
  }

  async send(to: string, id: string, file: Partial<EventFile> = {}): Promise<SendResult> {
    const event = { to, id, file: { event: 'press', ...file } };
    const [result] = await this.until(this.engine.send([event]));
    return result!;
  }

  /** All pages of a list, one after the other. */
  async list(filter: InstanceFilter = {}, limit: number = 100): Promise<ListedInstance[]> {
    const all: ListedInstance[] = [];
    let after: string | undefined;
    do {
      const page = { limit, ...(after !== undefined && { after }) };
      const { instances, next } = await this.until(this.engine.list(filter, page));
      if (instances.length > limit) throw new Error(`expected at most ${limit} instances`);
      all.push(...instances);
      after = next;
    } while (after !== undefined);
    return all;
  }

  /** State files that have failed, in the order of their instances. */
  async failed(): Promise<string[]> {
    return (await this.list({ status: 'failed' })).map(({ name }) => name);
  }

  /** Takes tasks until there are `count`. Throws if the engine is drained before. */
  async take(session: Session, count: number, limit: number = count): Promise<Task[]> {
    const tasks: Task[] = [];
    while (tasks.length < count) {
      const taken = await this.until(
        session.take(limit - tasks.length, new AbortController().signal),
      );
      if (taken === 'drained')
        throw new Error(`expected ${count} tasks, got ${tasks.length} and no more`);
      tasks.push(...taken);
    }
    return tasks;
  }

  /** Takes what is handed out within `ms` milliseconds. */
  async takeWithin(
    session: Session,
    limit: number,
    ms: number,
  ): Promise<readonly Task[] | 'drained'> {
    const abort = new AbortController();
    const taking = session.take(limit, abort.signal);
    await this.bench.pass(ms);
    abort.abort();
    return taking;
  }

  async settle(
    session: Session,
    ...settlements: readonly Settlement[]
  ): Promise<readonly string[]> {
    return this.until(session.settle(settlements));
  }

  /** The first entries of the journal, once there are `count`. */
  async ticks(count: number): Promise<readonly JournalEntry[]> {
    for (;;) {
      const { ticks } = await this.until(this.engine.ticks(undefined, { limit: count + 1 }));
      if (ticks.length >= count) return ticks;
    }
  }

  /** `STATE FLAG` of each step of an instance. */
  async chain(instance: string): Promise<string[]> {
    const steps = await this.engine.history(instance);
    return steps.map(({ state, flag }) => `${state} ${flag}`);
  }
}

interface ThrownError {
  readonly code?: string;
  readonly message: string;
}

/** Undefined if nothing is thrown. */
export async function errorOf(act: () => Promise<unknown>): Promise<ThrownError | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    return error as ThrownError;
  }
}

function infoOf(
  name: string,
  clock: Clock,
  { registry = REGISTRY, ...more }: Partial<WorkerInfo> & { readonly registry?: Registry } = {},
): WorkerInfo {
  const known = { machines: machineNames(registry), states: machineStates(registry) };
  const newest = new Map<string, string>();
  return {
    name,
    concurrency: 4,
    capacity: 16,
    stays: false,
    observes: sensorsOf(registry),
    machines: () => known,
    slots: () => 4,
    needsSlot: (file) =>
      needsTick(file, { registry, newest, now: new Date(clock.now()).toISOString() }),
    runs: async (file) => resolveState(registry, file, newest).ok,
    ...more,
  };
}

interface Committed {
  readonly output?: Json;
  /** Of the next state. */
  readonly next?: object;
  readonly events?: CommitRecord['events'];
  readonly rests?: boolean;
  readonly readSet?: readonly string[];
}

/** `now`: ISO 8601. */
export function commitOf(
  task: Task,
  now: string,
  { output, next, events, rests, readSet }: Committed = {},
): Settlement {
  const [instance, step = '0'] = task.name.split(/\.state-?/);
  const record: CommitRecord = {
    flockwork: 1,
    state: task.name,
    session: task.session,
    worker: workerOf(task),
    started: now,
    finished: now,
    ...(output !== undefined && { output }),
    ...(events && { events }),
    ...(next && {
      next: { name: `${instance}.state-${Number(step) + 1}`, content: `${JSON.stringify(next)}\n` },
    }),
  };
  const outcome = { kind: 'commit', record, ...(rests && { rests }), ...(readSet && { readSet }) };
  return { hold: task, outcome: outcome as Settlement['outcome'] };
}

export function failureOf(task: Task, now: string): Settlement {
  const by = { session: task.session, worker: workerOf(task), at: now };
  const record = failureRecord(task.name, by, { code: 'no-use', reason: 'exercise' });
  return { hold: task, outcome: { kind: 'fail', record } };
}
