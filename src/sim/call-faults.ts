/** The faults of a single call of an engine, and the random source that injects them. */
import { hash, HASHES } from '../volume/phases/hash.ts';

/** `delay`: milliseconds. */
export type CallFault =
  /** Takes effect, but the reply is lost: the caller gets an error. */
  | { readonly kind: 'lost' }
  /** Has no effect: the caller gets an error. */
  | { readonly kind: 'refused' }
  /** Takes effect that much later. */
  | { readonly kind: 'slow'; readonly delay: number };

export type CallFaultKind = CallFault['kind'];
const CALL_FAULT_KINDS: readonly CallFaultKind[] = ['lost', 'refused', 'slow'];
export type CallRates = Readonly<Partial<Record<CallFaultKind, number>>>;

/** Called before each call. `call` counts the calls of a process from 1. */
export type CallFaultSource = (process: string, call: number) => CallFault | undefined;

/** Each call is decided by a hash of its own, as in `randomFaults`. `maxDelay`: of slow calls, ms. */
export function randomCallFaults(
  seed: string,
  rates: CallRates,
  maxDelay: number,
): CallFaultSource {
  const salt = hash(seed);
  return (process, call) => {
    const own = hash(process, salt);
    let roll = hash(String(call), own) / HASHES;
    for (const kind of CALL_FAULT_KINDS) {
      const rate = rates[kind] ?? 0;
      if (roll < rate) {
        const u = hash(String(call), own ^ 0x5bd1e995) / HASHES;
        return kind === 'slow' ? { kind, delay: u * u * maxDelay } : { kind };
      }
      roll -= rate;
    }
    return undefined;
  };
}

/** For traces. */
export function describeCallFault(fault: CallFault): string {
  if (fault.kind === 'slow') return `${Math.round(fault.delay)} ms late`;
  return fault.kind === 'lost' ? 'reply lost' : 'refused';
}
