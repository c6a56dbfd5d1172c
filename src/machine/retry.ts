/** What becomes of a step whose attempts failed. */
import type { RetryPolicy } from './definition.ts';
import type { Attempt } from './record.ts';

/** The code of a failure after the last attempt. */
export const ATTEMPTS_EXHAUSTED = 'attempts-exhausted';

export type RetryVerdict =
  /** `after`: milliseconds until the next attempt. */
  | { readonly kind: 'retry'; readonly after: number }
  | { readonly kind: 'give-up'; readonly reason: string };

/** Many that failed together should not come back together. */
const JITTER = 0.1;

/** A lost worker counts as an attempt: a state that kills whoever ticks it must not go round for ever. */
export function retryVerdict(
  policy: RetryPolicy,
  attempts: readonly Attempt[],
  random: () => number,
): RetryVerdict {
  const last = attempts.at(-1);
  const message = last?.error?.message ?? 'lost';
  if (last?.error?.fatal === true) return { kind: 'give-up', reason: message };
  if (attempts.length < policy.maximumAttempts) {
    return { kind: 'retry', after: retryDelay(policy, attempts.length, random) };
  }
  const times =
    attempts.length === 1
      ? 'at the first and only attempt'
      : `after ${attempts.length} attempts, the last`;
  return { kind: 'give-up', reason: `failed ${times}: ${message}` };
}

/** Milliseconds before the attempt that follows `failed` ones. */
export function retryDelay(policy: RetryPolicy, failed: number, random: () => number): number {
  // Finite, for an interval of 0 has to stay 0 after any number of attempts.
  const factor = Math.min(policy.backoffCoefficient ** (failed - 1), Number.MAX_VALUE);
  const interval = policy.initialInterval * factor;
  const jittered = interval * (1 - JITTER + 2 * JITTER * random());
  return Math.round(Math.min(jittered, policy.maximumInterval));
}
