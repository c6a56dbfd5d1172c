/** The tick of an XState machine: its start, an invoked promise, or its end. */
import { createActor, toPromise, type AnyEventObject } from 'xstate';
import { done, type Answer } from '../machine/answer.ts';
import type { Json, Tick } from '../machine/definition.ts';
import { FatalError } from '../machine/errors.ts';
import type { Definition } from './definition.ts';
import {
  storedSnapshotIn,
  stateText,
  begin,
  react,
  type StoredSnapshot,
  type Reaction,
} from './snapshot.ts';

export function tickOf(definition: Definition): Tick {
  return async ({ instance, payload, signal }) => {
    const stored = storedSnapshotIn(payload);
    if (stored === undefined) return answer(() => begin(definition, instance, payload));
    const { status, output, children } = stored.snapshot;
    if (status === 'done') return done(output);
    const [id = ''] = Object.keys(children);
    const event = await settled(definition, stored, id, signal);
    return answer(() => react(definition, instance, stored, event, id));
  };
}

/** Errors are fatal: the code is pure, so another attempt would throw the same. */
function answer(reaction: () => Reaction): Answer {
  try {
    const { stored, emit } = reaction();
    const { status, value, output } = stored.snapshot;
    if (status === 'done') return done(output);
    return { kind: 'next', state: stateText(value), payload: stored as unknown as Json, emit };
  } catch (error) {
    throw new FatalError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Runs the promise and returns its result as an event. Rejects when `signal` aborts. */
async function settled(
  { promises }: Definition,
  { snapshot }: StoredSnapshot,
  id: string,
  signal: AbortSignal,
): Promise<AnyEventObject> {
  const { src, snapshot: child } = snapshot.children[id]!;
  const actor = createActor(promises.get(src)!, { id, input: child.input });
  const result = toPromise(actor).then(
    (output: unknown) => ({ type: `xstate.done.actor.${id}`, output, actorId: id }),
    (error: unknown) => ({ type: `xstate.error.actor.${id}`, error, actorId: id }),
  );
  const stop = (): void => void actor.stop();
  signal.addEventListener('abort', stop);
  try {
    actor.start();
    const event = await result;
    signal.throwIfAborted();
    return event;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
