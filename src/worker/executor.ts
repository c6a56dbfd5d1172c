/** Runs one attempt at one step. Always has a result: an answer, a failure, or `aborted`. */
import { checkAnswer, wait } from '../machine/answer.ts';
import type { Json, Tick, TickContext } from '../machine/definition.ts';
import type { InstanceSnapshot } from '../machine/table.ts';
import type { Clock, Log } from '../engine/ports.ts';
import { Cancellation, supervise, Deadlines } from './supervise.ts';
import type { Variables } from './command-input.ts';
import { Commands } from './commands.ts';
import { failed, truncate, type StrayErrors } from './tick-errors.ts';
import type { Execute, TickResult, TickTask } from './ports.ts';

/** A tick that keeps its thread from other work for longer is reported to `onBlocked`. */
const MAX_BLOCKED_MS = 50;
const DEFAULT_COMMAND_WAIT_MS = 1000;

export interface ExecutorOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Takes what a tick prints: a line of data. */
  readonly print: (line: string) => void;
  /** Factor for `pause`: `--example-delay`. */
  readonly pauseScale: number;
  /** Attributes errors that a tick does not await to that tick. */
  readonly strays?: StrayErrors;
  /** Called when a tick of a module has blocked this thread for `ms` milliseconds. */
  readonly onBlocked?: (task: TickTask, ms: number) => void;
  /** The part of this process's environment that commands inherit. Default: all of it. */
  readonly inherited?: Variables;
  /** Milliseconds that a command may wait until the system has room for it. Default: 1000. */
  readonly maxWaitMs?: number;
}

export function createExecute(options: ExecutorOptions): Execute {
  const { clock, log, inherited = process.env, maxWaitMs = DEFAULT_COMMAND_WAIT_MS } = options;
  const deadlines = new Deadlines(clock);
  const commands = new Commands({
    now: () => clock.monotonic(),
    log,
    report: (task, line) => report(log, task, line),
    deadlines,
    inherited,
    maxWaitMs,
  });
  return (task, source) => {
    const { activity } = task;
    if (activity.kind === 'command') return commands.execute(task, activity, source.signal);
    const cancellation = new Cancellation();
    const attempt = startAttempt(task, activity.tick, cancellation, options);
    if (!(attempt instanceof Promise)) return attempt;
    return supervise(task, attempt, {
      cancellable: cancellation,
      workerSignal: source.signal,
      deadlines,
      // It may ignore its signal.
      mayBeAbandoned: true,
    });
  };
}

/** Runs a tick without a timeout; synchronously, if the tick is. Neither throws nor rejects. */
export function startAttempt(
  task: TickTask,
  tick: Tick,
  cancellation: Cancellation,
  options: ExecutorOptions,
): TickResult | Promise<TickResult> {
  const { strays, clock, onBlocked } = options;
  const suspect = strays?.suspect(task);
  const began = clock.monotonic();
  try {
    const context = contextOf(task, cancellation, options);
    const answer: unknown =
      strays === undefined ? tick(context) : strays.run(suspect!, tick, context);
    if (!isThenable(answer)) return answered(answer, task);
    const result = Promise.resolve(answer).then(
      (value) => answered(value, task),
      (error: unknown) => failed(error),
    );
    return suspect === undefined ? result : suspect.orStray(result);
  } catch (error) {
    return failed(error);
  } finally {
    const took = clock.monotonic() - began;
    if (took > MAX_BLOCKED_MS) onBlocked?.(task, took);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

function report(log: Log, task: TickTask, line: string, facts: Record<string, unknown> = {}): void {
  const { name: state, machine, activity } = task;
  log.info({ ...facts, source: activity.kind, state, machine }, line);
}

function contextOf(
  task: TickTask,
  cancellation: Cancellation,
  options: ExecutorOptions,
): TickContext {
  return {
    instance: task.instance,
    state: task.state,
    payload: copyOf(task.payload),
    outputs: copyOf(task.outputs) as TickContext['outputs'],
    transition: transitionOf(task),
    attempt: task.attempt,
    idempotencyKey: task.idempotencyKey,
    history: task.history,
    sensor: (instance) => sensorOf(task, instance),
    get signal() {
      return cancellation.signal;
    },
    print: options.print,
    log: (message, facts) => report(options.log, task, message, facts),
    pause: async (ms) => {
      const { signal } = cancellation;
      await options.clock.sleep(ms * options.pauseScale, signal);
      signal.throwIfAborted();
    },
  };
}

function transitionOf({ hook }: TickTask): TickContext['transition'] {
  if (hook === undefined) return undefined;
  const { from, event, details = null } = hook;
  return { from, event, details: copyOf(details) };
}

function sensorOf({ sensors, machine }: TickTask, instance: string): InstanceSnapshot | undefined {
  const seen = Object.hasOwn(sensors, instance) ? sensors[instance] : undefined;
  if (seen === undefined) {
    throw new Error(`cannot observe ${instance}: name it in the sensors of machine ${machine}`);
  }
  return seen === null ? undefined : { ...seen, payload: copyOf(seen.payload) };
}

/** `structuredClone` would be most of the cost of a quick tick: not called for primitives and empty objects. */
function copyOf(payload: Json): Json {
  if (typeof payload !== 'object' || payload === null) return payload;
  if (Object.keys(payload).length > 0) return structuredClone(payload);
  return Array.isArray(payload) ? [] : {};
}

function answered(value: unknown, { hook }: TickTask): TickResult {
  try {
    const isNothing = value === undefined && hook !== undefined;
    return { kind: 'answer', answer: isNothing ? wait() : checkAnswer(value) };
  } catch (error) {
    // Not retried: the tick would give the same answer again.
    return { kind: 'failed', error: { message: truncate((error as Error).message), fatal: true } };
  }
}
