/**
 * `waiting/`: states in which nothing runs until an event comes. The flag keeps them out of the split, and
 * nothing depends on it: with an event for its instance, or without the flag, a state is claimed and looked at.
 */
import { isDone } from './archive.ts';
import { remove } from './atomic-files.ts';
import type { SessionContext } from './session-context.ts';

export async function markWaiting(context: SessionContext, name: string): Promise<void> {
  if (context.waiting.has(name)) return;
  await context.setFlag(context.layout.flag('waiting', name));
  context.waiting.add(name);
}

/** For a state that is done. */
export async function clearWaiting(context: SessionContext, name: string): Promise<void> {
  await remove(context.files, context.layout.flag('waiting', name));
  context.waiting.delete(name);
}

/** What was done by somebody who did not live to take the flag down, or parked by somebody who came late. */
export async function sweepWaiting(
  context: SessionContext,
  may: (name: string) => boolean,
): Promise<void> {
  for (const name of context.overdue) {
    await context.passedOver.guard(`waiting/${name}`, async () => {
      const isOver = may(name) && (await isDone(context.files, context.layout, name));
      if (isOver && may(name)) await clearWaiting(context, name);
    });
  }
}
