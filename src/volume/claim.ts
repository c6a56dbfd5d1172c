/** Claiming a state, and giving the claim up. */
import { isArchived } from './archive.ts';
import type { PhaseGuard } from './operations.ts';
import { readText, remove, removeOurs } from './exclusive.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import type { Member } from './member.ts';

/**
 * Claim, then look: whoever committed this state may have released it a moment before, and a listing
 * made earlier does not show that. What the look misses (caches lie), the link of `done/` decides (I1).
 */
export async function claim(
  member: Member,
  name: string,
  guard: PhaseGuard,
): Promise<'ours' | 'taken' | 'finished' | 'late'> {
  const { files, layout } = member;
  const flag = layout.flag('in_progress', name);
  member.claims.begin(name);
  // After an error nobody knows whose it is: whoever gives it up has to look.
  member.doubtful.add(name);
  const outcome = await member.setFlag(flag);
  member.doubtful.delete(name);
  if (outcome === 'taken') return 'taken';
  if (!(await isSettled(files, layout, name))) return 'ours';
  if (await isArchived(files, layout, name)) member.reappeared.add(name);
  return (await releaseClaim(member, name, guard.canFinish)) ? 'finished' : 'late';
}

/** Is this state done, wherever its flag is by now, or has it failed? */
export async function isSettled(files: Files, layout: Layout, name: string): Promise<boolean> {
  const done = await files.stat(layout.flag('done', name));
  if (done !== undefined) return true;
  // After `done/`: a flag is here for long before it is gone from there.
  if (await isArchived(files, layout, name)) return true;
  return (await files.stat(layout.flag('failed', name))) !== undefined;
}

/** Takes the claim down if it is ours. False if it is too late for that (I4). */
export async function releaseClaim(
  member: Member,
  name: string,
  may: () => boolean,
): Promise<boolean> {
  member.claims.end(name);
  const { files, layout, tokenText } = member;
  const flag = layout.flag('in_progress', name);
  // After an error nobody knows whether it is gone, and whose it is by now.
  const isSure = member.isSafe() && !member.doubtful.has(name);
  if (!isSure) return removeOurs(files, flag, tokenText, may);
  if (!may()) return false;
  member.doubtful.add(name);
  await remove(files, flag);
  member.doubtful.delete(name);
  return true;
}

/** Takes another session's claim down; by name, so it may (after a stall) hit a newer one: see I6. */
export async function dropClaim(
  member: Member,
  name: string,
  text: string,
  guard: PhaseGuard,
): Promise<boolean> {
  const path = member.layout.flag('in_progress', name);
  if ((await readText(member.files, path)) !== text || !guard.canBegin()) return false;
  try {
    await member.files.unlink(path);
    return true;
  } catch {
    // Somebody else was quicker, or nobody knows: the next look at the flags will tell.
    return false;
  }
}
