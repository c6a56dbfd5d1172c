/** Decides whether a step is retried after failed attempts, and when. */
import type { RetryPolicy } from './definition.ts';
import type { Attempt } from './record.ts';

/** The code of a failure after the last attempt. */
export const ATTEMPTS_EXHAUSTED = 'attempts-exhausted';

export type RetryVerdict =
  /** `after`: milliseconds until the next attempt. */
  | { readonly kind: 'retry'; readonly after: number }
  | { readonly kind: 'give-up'; readonly reason: string };

/** Fraction of the delay. Spreads the retries of states that failed together. */
const JITTER = 0.1;

/** A lost attempt counts, so that a state whose tick crashes its worker is not retried for ever. */
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
  // Finite: an interval of 0 times Infinity would be NaN.
  const factor = Math.min(policy.backoffCoefficient ** (failed - 1), Number.MAX_VALUE);
  const interval = policy.initialInterval * factor;
  const jittered = interval * (1 - JITTER + 2 * JITTER * random());
  return Math.round(Math.min(jittered, policy.maximumInterval));
}
