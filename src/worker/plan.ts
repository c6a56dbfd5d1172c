/**
 * Decides about a task: before its tick, whether it is ticked at all or its outcome is known at once (`plan`); after its
 * tick, what the result means for its state (`outcomeOfTick`). Pure.
 */
import type { Outcome, Refusal, Task } from '../engine/session.ts';
import type { Machine, Json } from '../machine/definition.ts';
import { emittedEvent } from '../machine/event.ts';
import { endOfBranch, outputsOf, isOpen, applyJoinEvents } from '../machine/fork.ts';
import { parseStateName } from '../machine/name.ts';
import {
  failureRecord,
  type Attempt,
  type CommitRecord,
  type FailureReason,
} from '../machine/record.ts';
import { resolveState, type Registry } from '../machine/registry.ts';
import { ATTEMPTS_EXHAUSTED, retryVerdict } from '../machine/retry.ts';
import type { StateFile } from '../machine/state-file.ts';
import { applyEvents } from '../machine/event-batch.ts';
import type { InstanceSnapshot } from '../machine/table.ts';
import { effectsOfAnswer, type StepEffects } from '../machine/step-effects.ts';
import type { TickTask, TickResult } from './ports.ts';

/** The session that decides, its time and its machines. */
export interface DecisionContext {
  readonly session: string;
  readonly worker: string;
  /** ISO 8601, the engine's time. */
  readonly now: string;
  readonly engineId: string;
  /** See `TickTask`. */
  readonly directory?: string | undefined;
  readonly registry: Registry;
  /** Newest version by name of a stored machine: see `resolveState`. */
  readonly newest: ReadonlyMap<string, string>;
}

/** A tick, with what is needed to make a record of its answer. */
export interface PlannedTick {
  readonly machine: Machine;
  readonly file: StateFile;
  readonly attempts: readonly Attempt[];
  readonly tick: TickTask;
}

export type Plan =
  | ({ readonly kind: 'tick' } & PlannedTick)
  /** `machine`: the one that has decided, if any. */
  | { readonly kind: 'outcome'; readonly outcome: Outcome; readonly machine?: string }
  /** This worker does not know the machine or state. There may be a stored configuration of the machine. */
  | { readonly kind: 'unknown'; readonly refusal: Refusal };

/** Decides whether a task is ticked; if not, its outcome, unless this worker does not know its machine. */
export function plan(task: Task, context: DecisionContext): Plan {
  const { name, file, attempts } = task;
  if (isDeferred(file, context)) return outcome({ kind: 'defer', notBefore: file.notBefore! });
  const resolved = resolveState(context.registry, file, context.newest);
  if (!resolved.ok) {
    const { code, reason } = resolved;
    if (code === 'no-events') return outcome(failure(task, context, resolved, attempts));
    const machine = file.machine ?? file.state;
    const state = code === 'unknown-machine' ? {} : { state: file.state };
    return { kind: 'unknown', refusal: { code, reason, machine, ...state } };
  }
  const { machine, state } = resolved;
  if (resolved.kind === 'waiting') {
    return outcome(applyPending(task, { machine, state }, context), machine.name);
  }
  if (resolved.kind !== 'runnable')
    return outcome(endOutcome(task, machine, context), machine.name);
  const { activity } = resolved;
  // A state whose tick crashes its worker has lost attempts, and may have no failed one.
  const verdict =
    attempts.length === 0 ? undefined : retryVerdict(activity.retry, attempts, () => 0.5);
  if (verdict?.kind === 'give-up') {
    const given = { code: ATTEMPTS_EXHAUSTED, reason: verdict.reason };
    return outcome(failure(task, context, given, attempts));
  }
  const tick: TickTask = {
    instance: parseStateName(name)!.instance,
    name,
    ...(context.directory !== undefined && { directory: context.directory }),
    machine: machine.name,
    state,
    payload: file.payload,
    outputs: outputsOf(file.join),
    ...(file.hook !== undefined && { hook: file.hook }),
    attempt: attempts.length + 1,
    idempotencyKey: `${context.engineId}/${name}`,
    sensors: readingsOf(machine, task, context),
    history: () => task.history(),
    activity,
    ...(isSuspect(attempts, activity.retry.maximumAttempts) && { isSuspect: true }),
  };
  return { kind: 'tick', machine, file, attempts, tick };
}

const outcome = (decided: Outcome, machine?: string): Plan => ({
  kind: 'outcome',
  outcome: decided,
  ...(machine !== undefined && { machine }),
});

/** Reads the time only where it matters. */
function isDeferred({ notBefore }: StateFile, context: { readonly now: string }): boolean {
  return notBefore !== undefined && Date.parse(notBefore) > Date.parse(context.now);
}

/** True if the plan would be a tick; false for an unknown machine or state. */
export function needsTick(
  file: StateFile,
  context: Pick<DecisionContext, 'registry' | 'newest' | 'now'>,
): boolean {
  if (isDeferred(file, context)) return false;
  const resolved = resolveState(context.registry, file, context.newest);
  return resolved.ok && resolved.kind === 'runnable';
}

/** Snapshots of the instances that the machine observes, for a tick: they decide nothing there (I11). */
function readingsOf(
  { sensors }: Machine,
  task: Pick<Task, 'observe'>,
  context: DecisionContext,
): TickTask['sensors'] {
  return Object.fromEntries(
    sensors.map((instance) => [instance, readingOf(instance, task, context) ?? null]),
  );
}

/**
 * True for the last attempt at a state that may have crashed a worker. Not for earlier attempts: a lost worker proves
 * nothing about a state, and threads for all states that it held would slow the next worker down.
 */
function isSuspect(attempts: readonly Attempt[], maximumAttempts: number): boolean {
  return (
    attempts.length + 1 === maximumAttempts && attempts.some(({ result }) => result === 'lost')
  );
}

/** The end of an instance has no record; the end of a branch has one, with an event that tells its join the output. */
function endOutcome(task: Task, machine: Machine, context: DecisionContext): Outcome {
  const { name, file } = task;
  const events = endOfBranch(file, name, file.payload);
  if (typeof events === 'string') {
    const reason = `the payload that this branch ends with is its output: ${events}`;
    return failure(task, context, { code: 'output-too-large', reason });
  }
  if (events.length === 0) return { kind: 'commit', record: undefined };
  const { session, worker, now } = context;
  const emit = events.map((one, index) => emittedEvent(one, index, { state: name, finished: now }));
  const common = {
    flockwork: 1,
    state: name,
    session,
    worker,
    started: now,
    finished: now,
  } as const;
  return { kind: 'commit', record: { ...common, machine: machine.name, emit } };
}

/** Without events: sets the timers of the state, once. */
function applyPending(
  task: Task,
  { machine, state }: { readonly machine: Machine; readonly state: string },
  context: DecisionContext,
): Outcome {
  const { name, file, events } = task;
  const isJoining = isOpen(file.join);
  const hasTimers = !isJoining && machine.timers.has(state) && file.since === undefined;
  if (events.length === 0 && !hasTimers) return { kind: 'wait' };
  const { instance } = parseStateName(name)!;
  const { now: finished, session, worker } = context;
  const sensor = (other: string): ReturnType<typeof readingOf> => readingOf(other, task, context);
  const input = { machine, instance, name, file, state, events, finished, sensor };
  const batch = isJoining ? applyJoinEvents(input) : applyEvents(input);
  const record: CommitRecord = {
    flockwork: 1,
    state: name,
    session,
    worker,
    started: finished,
    finished,
    machine: machine.name,
    ...(batch.events.length > 0 && { events: batch.events }),
    ...(batch.emit.length > 0 && { emit: batch.emit }),
    next: batch.next,
  };
  const readSet = batch.hasLooked && { readSet: machine.sensors };
  return { kind: 'commit', record, rests: batch.rests, ...readSet };
}

/** State and payload of another instance's last state file; undefined where there is none. */
function readingOf(
  instance: string,
  task: Pick<Task, 'observe'>,
  { registry }: Pick<DecisionContext, 'registry'>,
): InstanceSnapshot | undefined {
  const file = task.observe(instance);
  if (file === undefined) return undefined;
  const resolved = resolveState(registry, file);
  return { state: resolved.ok ? resolved.state : file.state, payload: file.payload };
}

/** Turns the result of a tick into the outcome of its state. `started`: ISO 8601, the engine's time. */
export function outcomeOfTick(
  planned: PlannedTick,
  result: TickResult,
  started: string,
  context: DecisionContext,
  random: () => number,
): Outcome {
  if (result.kind === 'aborted') return { kind: 'release' };
  if (result.kind === 'failed') return retryOrFail(planned, result.error, started, context, random);
  const { answer } = result;
  const { name, state } = planned.tick;
  const { registry, newest } = context;
  const effects = effectsOfAnswer(
    answer,
    { ...planned, name, state, registry, newest },
    context.now,
  );
  if (typeof effects === 'string') {
    // Not retried: the tick would give the same answer again.
    return retryOrFail(planned, { message: effects, fatal: true }, started, context, random);
  }
  const output = answer.kind === 'done' ? answer.output : undefined;
  const record = recordOf(planned, effects, output, started, context);
  return { kind: 'commit', record, ...(effects.rests && { rests: true }) };
}

/** Retries, or fails if this was the last attempt. */
function retryOrFail(
  planned: PlannedTick,
  error: Extract<TickResult, { kind: 'failed' }>['error'],
  started: string,
  context: DecisionContext,
  random: () => number,
): Outcome {
  const attempt: Attempt = {
    attempt: planned.tick.attempt,
    session: context.session,
    worker: context.worker,
    started,
    ended: context.now,
    result: 'failed',
    error,
  };
  const attempts = [...planned.attempts, attempt];
  const verdict = retryVerdict(planned.tick.activity.retry, attempts, random);
  if (verdict.kind === 'give-up') {
    const code = error.fatal === true ? 'fatal' : ATTEMPTS_EXHAUSTED;
    return failure(planned.tick, context, { code, reason: verdict.reason }, attempts);
  }
  const notBefore = new Date(Date.parse(context.now) + verdict.after).toISOString();
  return { kind: 'retry', attempt: { ...attempt, notBefore } };
}

/** Returns undefined for a terminal step without output, events or failed attempts: it needs no record. */
function recordOf(
  { tick, attempts }: PlannedTick,
  { emit, branches, next }: StepEffects,
  output: Json | undefined,
  started: string,
  context: DecisionContext,
): CommitRecord | undefined {
  const isNeeded =
    next !== undefined || emit.length > 0 || output !== undefined || attempts.length > 0;
  if (!isNeeded) return undefined;
  return {
    flockwork: 1,
    state: tick.name,
    session: context.session,
    worker: context.worker,
    started,
    finished: context.now,
    machine: tick.machine,
    ...(output !== undefined && { output }),
    ...(emit.length > 0 && { emit }),
    ...(branches && { branches }),
    ...(next && { next }),
    ...(attempts.length > 0 && { attempts: [...attempts] }),
  };
}

function failure(
  { name }: Pick<Task, 'name'>,
  { session, worker, now }: Pick<DecisionContext, 'session' | 'worker' | 'now'>,
  why: FailureReason,
  attempts: readonly Attempt[] = [],
): Outcome {
  return { kind: 'fail', record: failureRecord(name, { session, worker, at: now }, why, attempts) };
}
