/** Settles claimed states: commits in groups, all other outcomes one by one. */
import { invariant, throwBug } from '../machine/invariant.ts';
import { isArchived } from './archive.ts';
import {
  clearAttempts,
  countAttempt,
  noteNotBefore,
  noteRefusal,
  removeAttempts,
} from './attempts.ts';
import { releaseClaim } from './claim.ts';
import { commit, putFailed } from './commit.ts';
import { dropOver } from './effects.ts';
import { markWaiting } from './waiting.ts';
import type { VolumeSettlement, PhaseGuard } from './operations.ts';
import type { SessionContext } from './session-context.ts';

export async function settle(
  context: SessionContext,
  steps: readonly VolumeSettlement[],
  guard: PhaseGuard,
): Promise<void> {
  for (const step of steps) step.error = undefined;
  const commits = steps.filter((step) => step.change.kind === 'commit');
  if (commits.length > 0) await commit(context, commits, guard);
  for (const step of steps) {
    // I6: a settled step has no claim; a claim of its state may be another session's.
    if (step.change.kind === 'commit' || step.progress === 'settled') continue;
    if (!guard.canBegin()) return;
    const isUndone = step.progress === 'new' || step.progress === 'published';
    invariant(isUndone, 'I1: expected no commit of a state that is not committed', step.name);
    try {
      // An attempt is counted once, however often releasing the claim is repeated.
      if (step.progress === 'new' && !(await recordOutcome(context, step, guard))) continue;
      step.progress = 'published';
      const released = await releaseClaim(context, step.name, guard.canFinish);
      if (released) step.progress = 'settled';
    } catch (error) {
      throwBug(error);
      step.error = error;
    }
  }
  await dropOver(context, guard.canFinish);
}

/** False if it is too late for this guard. No session reads the attempts of a state while it is claimed. */
async function recordOutcome(
  context: SessionContext,
  { name, change }: VolumeSettlement,
  guard: PhaseGuard,
): Promise<boolean> {
  if (change.kind === 'fail') {
    // This session was stopped for so long that another one committed the state, and it was archived: that counts.
    if (await isArchived(context.files, context.layout, name)) return true;
    if (!(await putFailed(context, change.record, guard))) return false;
    await clearAttempts(context, name);
  } else if (change.kind === 'retry') await countAttempt(context, name, change.attempt);
  else if (change.kind === 'refuse') await noteRefusal(context, name, change.reason);
  else if (change.kind === 'wait') {
    await markWaiting(context, name);
    // A session that was lost while it only read the state has not tried it.
    await removeAttempts(context.files, context.layout, name);
  } else if (change.kind === 'defer')
    await noteNotBefore(context, name, change.notBefore, change.written);
  return true;
}
