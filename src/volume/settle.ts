/** What is to become of claimed states, carried out: commits in bursts, everything else one by one. */
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
import type { Step, PhaseGuard } from './operations.ts';
import type { SessionContext } from './session-context.ts';

export async function settle(
  context: SessionContext,
  steps: readonly Step[],
  guard: PhaseGuard,
): Promise<void> {
  for (const step of steps) step.error = undefined;
  const commits = steps.filter((step) => step.change.kind === 'commit');
  if (commits.length > 0) await commit(context, commits, guard);
  for (const step of steps) {
    // I6: one that is settled has no claim, and what has its name may be another session's.
    if (step.change.kind === 'commit' || step.progress === 'settled') continue;
    if (!guard.canBegin()) return;
    try {
      // An attempt is counted once, however often it takes to give the claim back.
      if (step.progress === 'new' && !(await giveUp(context, step, guard))) continue;
      step.progress = 'published';
      const released = await releaseClaim(context, step.name, guard.canFinish);
      if (released) step.progress = 'settled';
    } catch (error) {
      step.error = error;
    }
  }
  await dropOver(context, guard.canFinish);
}

/** False if it is too late for this guard. What is noted of attempts nobody looks at while the claim stands. */
async function giveUp(
  context: SessionContext,
  { name, change }: Step,
  guard: PhaseGuard,
): Promise<boolean> {
  if (change.kind === 'fail') {
    // Who was stopped for so long that others did it, and archived it, has no say in it.
    if (await isArchived(context.files, context.layout, name)) return true;
    if (!(await putFailed(context, change.record, guard))) return false;
    await clearAttempts(context, name);
  } else if (change.kind === 'retry') await countAttempt(context, name, change.attempt);
  else if (change.kind === 'refuse') await noteRefusal(context, name, change.reason);
  else if (change.kind === 'wait') {
    await markWaiting(context, name);
    // Whoever was lost while it only looked has not tried anything.
    await removeAttempts(context.files, context.layout, name);
  } else if (change.kind === 'defer')
    await noteNotBefore(context, name, change.notBefore, change.written);
  return true;
}
