/** What the result of a tick means for its state. Pure. */
import type { Outcome } from '../engine/session.ts';
import type { Json } from '../machine/definition.ts';
import type { Attempt, CommitRecord } from '../machine/record.ts';
import { ATTEMPTS_EXHAUSTED, retryVerdict } from '../machine/retry.ts';
import { effectsOfAnswer, type StepEffects } from '../machine/step-effects.ts';
import type { DecisionContext } from './decision-context.ts';
import { failure, type PlannedTick } from './plan.ts';
import type { TickResult } from './ports.ts';

/** What a finished tick means for its state. */
export function outcomeOfTick(
  work: PlannedTick,
  result: TickResult,
  started: string,
  context: DecisionContext,
  random: () => number,
): Outcome {
  if (result.kind === 'aborted') return { kind: 'release' };
  if (result.kind === 'failed') return tryAgain(work, result.error, started, context, random);
  const { answer } = result;
  const { name, state } = work.tick;
  const { registry, newest } = context;
  const sequel = effectsOfAnswer(answer, { ...work, name, state, registry, newest }, context.now);
  if (typeof sequel === 'string') {
    // The tick would answer it again.
    return tryAgain(work, { message: sequel, fatal: true }, started, context, random);
  }
  const output = answer.kind === 'done' ? answer.output : undefined;
  const record = recordOf(work, sequel, output, started, context);
  return { kind: 'commit', record, ...(sequel.rests && { rests: true }) };
}

function tryAgain(
  work: PlannedTick,
  error: Extract<TickResult, { kind: 'failed' }>['error'],
  started: string,
  context: DecisionContext,
  random: () => number,
): Outcome {
  const attempt: Attempt = {
    attempt: work.tick.attempt,
    session: context.session,
    worker: context.worker,
    started,
    ended: context.now,
    result: 'failed',
    error,
  };
  const attempts = [...work.attempts, attempt];
  const verdict = retryVerdict(work.tick.activity.retry, attempts, random);
  if (verdict.kind === 'give-up') {
    const code = error.fatal === true ? 'fatal' : ATTEMPTS_EXHAUSTED;
    return failure(work.tick, context, { code, reason: verdict.reason }, attempts);
  }
  const notBefore = new Date(Date.parse(context.now) + verdict.after).toISOString();
  return { kind: 'retry', attempt: { ...attempt, notBefore } };
}

/** A terminal step without output or history leaves nothing behind: its flag is a link to the token. */
function recordOf(
  { tick, attempts }: PlannedTick,
  { emit, branches, next }: StepEffects,
  output: Json | undefined,
  started: string,
  context: DecisionContext,
): CommitRecord | undefined {
  const leaves =
    next !== undefined || emit.length > 0 || output !== undefined || attempts.length > 0;
  if (!leaves) return undefined;
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
