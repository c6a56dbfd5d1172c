/** Turns the result of a tick into the outcome of its state. Pure. */
import type { Outcome } from '../engine/session.ts';
import type { Json } from '../machine/definition.ts';
import type { Attempt, CommitRecord } from '../machine/record.ts';
import { ATTEMPTS_EXHAUSTED, retryVerdict } from '../machine/retry.ts';
import { effectsOfAnswer, type StepEffects } from '../machine/step-effects.ts';
import { failure, type DecisionContext, type PlannedTick } from './plan.ts';
import type { TickResult } from './ports.ts';

export function outcomeOfTick(
  plan: PlannedTick,
  result: TickResult,
  started: string,
  context: DecisionContext,
  random: () => number,
): Outcome {
  if (result.kind === 'aborted') return { kind: 'release' };
  if (result.kind === 'failed') return retryOrFail(plan, result.error, started, context, random);
  const { answer } = result;
  const { name, state } = plan.tick;
  const { registry, newest } = context;
  const effects = effectsOfAnswer(answer, { ...plan, name, state, registry, newest }, context.now);
  if (typeof effects === 'string') {
    // Not retried: the tick would give the same answer again.
    return retryOrFail(plan, { message: effects, fatal: true }, started, context, random);
  }
  const output = answer.kind === 'done' ? answer.output : undefined;
  const record = recordOf(plan, effects, output, started, context);
  return { kind: 'commit', record, ...(effects.rests && { rests: true }) };
}

/** Retries, or fails if this was the last attempt. */
function retryOrFail(
  plan: PlannedTick,
  error: Extract<TickResult, { kind: 'failed' }>['error'],
  started: string,
  context: DecisionContext,
  random: () => number,
): Outcome {
  const attempt: Attempt = {
    attempt: plan.tick.attempt,
    session: context.session,
    worker: context.worker,
    started,
    ended: context.now,
    result: 'failed',
    error,
  };
  const attempts = [...plan.attempts, attempt];
  const verdict = retryVerdict(plan.tick.activity.retry, attempts, random);
  if (verdict.kind === 'give-up') {
    const code = error.fatal === true ? 'fatal' : ATTEMPTS_EXHAUSTED;
    return failure(plan.tick, context, { code, reason: verdict.reason }, attempts);
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
