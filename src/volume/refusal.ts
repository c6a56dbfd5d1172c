/** The outcome of a refused state on a volume: a note beside its attempts, or a failure. */
import { decideRefusal } from '../engine/refusal.ts';
import type { Refusal } from '../engine/session.ts';
import { failure, type ReadContext, type ReadState } from './claimed-task.ts';
import type { VolumeOutcome, Token } from './operations.ts';

/** `sessions`: all that may be alive, this one included. Those that have refused this state are not asked again. */
export function refusalChange(
  name: string,
  refusal: Refusal,
  { attempts, fingerprint, refusedBy }: ReadState,
  sessions: readonly Token[],
  context: Pick<ReadContext, 'session' | 'worker' | 'now'>,
): VolumeOutcome {
  const others = sessions.filter(
    ({ session }) => session !== context.session && !refusedBy.includes(session),
  );
  const decided = decideRefusal(refusal, others, sessions);
  if (decided.kind === 'leave') return { kind: 'refuse', reason: decided.reason };
  const { code, reason } = decided;
  const file = fingerprint !== undefined && { file: fingerprint };
  return failure(name, context, { code, reason, ...file }, attempts);
}
