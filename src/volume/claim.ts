/** Claiming a state, and giving the claim up. */
import { readText, removeOurs } from './exclusive.ts';
import type { Member } from './member.ts';

/**
 * Claim, then look: whoever committed this state may have released it a moment before, and a listing
 * made earlier does not show that. What the look misses (caches lie), the link of `done/` decides (I1).
 */
export async function claim(member: Member, name: string): Promise<'ours' | 'taken' | 'finished'> {
  const { files, layout } = member;
  const flag = layout.flag('in_progress', name);
  const outcome = await member.setFlag(flag);
  if (outcome === 'taken') return 'taken';
  const [done, failed] = [
    await files.stat(layout.flag('done', name)),
    await files.stat(layout.flag('failed', name)),
  ];
  if (done === undefined && failed === undefined) return 'ours';
  await releaseClaim(member, name);
  return 'finished';
}

/** Takes the claim down if it is ours. */
export async function releaseClaim(member: Member, name: string): Promise<void> {
  await removeOurs(member.files, member.layout.flag('in_progress', name), member.tokenText);
}

/** Takes another session's claim down; by name, so it may (after a stall) hit a newer one: see I6. */
export async function dropClaim(member: Member, name: string, text: string): Promise<boolean> {
  const path = member.layout.flag('in_progress', name);
  if ((await readText(member.files, path)) !== text) return false;
  try {
    await member.files.unlink(path);
    return true;
  } catch {
    // Somebody else was quicker, or nobody knows: the next look at the flags will tell.
    return false;
  }
}
