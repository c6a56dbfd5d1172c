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
import { park } from './waiting.ts';
import type { Step, PhaseGuard } from './operations.ts';
import type { Member } from './member.ts';

export async function settle(
  member: Member,
  steps: readonly Step[],
  guard: PhaseGuard,
): Promise<void> {
  for (const step of steps) step.error = undefined;
  const commits = steps.filter((step) => step.change.kind === 'commit');
  if (commits.length > 0) await commit(member, commits, guard);
  for (const step of steps) {
    // I6: one that is settled has no claim, and what has its name may be another session's.
    if (step.change.kind === 'commit' || step.progress === 'settled') continue;
    if (!guard.canBegin()) return;
    try {
      // An attempt is counted once, however often it takes to give the claim back.
      if (step.progress === 'new' && !(await giveUp(member, step, guard))) continue;
      step.progress = 'published';
      const released = await releaseClaim(member, step.name, guard.canFinish);
      if (released) step.progress = 'settled';
    } catch (error) {
      step.error = error;
    }
  }
  await dropOver(member, guard.canFinish);
}

/** False if it is too late for this guard. What is noted of attempts nobody looks at while the claim stands. */
async function giveUp(member: Member, { name, change }: Step, guard: PhaseGuard): Promise<boolean> {
  if (change.kind === 'fail') {
    // Who was stopped for so long that others did it, and archived it, has no say in it.
    if (await isArchived(member.files, member.layout, name)) return true;
    if (!(await putFailed(member, change.record, guard))) return false;
    await clearAttempts(member, name);
  } else if (change.kind === 'retry') await countAttempt(member, name, change.attempt);
  else if (change.kind === 'refuse') await noteRefusal(member, name, change.reason);
  else if (change.kind === 'wait') {
    await park(member, name);
    // Whoever was lost while it only looked has not tried anything.
    await removeAttempts(member.files, member.layout, name);
  } else if (change.kind === 'defer')
    await noteNotBefore(member, name, change.notBefore, change.written);
  return true;
}
