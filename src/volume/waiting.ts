/**
 * `waiting/`: flags of states that wait for an event. A flag keeps its state out of the split, and nothing depends on it: if
 * its instance has an event, or the flag is missing, the state is claimed and read.
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

/** Removes flags of done states: left by a session that crashed before it removed them, or set by one that was late. */
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
