/**
 * `waiting/`: states in which nothing runs until an event comes. The flag keeps them out of the split, and
 * nothing depends on it: with an event for its instance, or without the flag, a state is claimed and looked at.
 */
import { isDone } from './archive.ts';
import { remove } from './exclusive.ts';
import type { Member } from './member.ts';

export async function park(member: Member, name: string): Promise<void> {
  if (member.waiting.has(name)) return;
  await member.setFlag(member.layout.flag('waiting', name));
  member.waiting.add(name);
}

/** For a state that is done. */
export async function unpark(member: Member, name: string): Promise<void> {
  await remove(member.files, member.layout.flag('waiting', name));
  member.waiting.delete(name);
}

/** What was done by somebody who did not live to take the flag down, or parked by somebody who came late. */
export async function sweepWaiting(member: Member, may: (name: string) => boolean): Promise<void> {
  for (const name of member.overdue) {
    await member.passedOver.guard(`waiting/${name}`, async () => {
      const isOver = may(name) && (await isDone(member.files, member.layout, name));
      if (isOver && may(name)) await unpark(member, name);
    });
  }
}
