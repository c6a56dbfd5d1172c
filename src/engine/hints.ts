/** Hints of `watch`, gathered until they are asked for. */
import type { ChangeHint } from './engine.ts';

/** With more, there is one hint that anything may have changed. */
const MAX_GATHERED_HINTS = 256;

/** `instance`: undefined for anything. */
export type NoteChange = (instance?: string) => void;

/** Calls `note` for each change until the function that it resolves to is called. */
export type Subscribe = (note: NoteChange) => Promise<() => unknown>;

/** Subscribes with the first `next()`, and unsubscribes when it ends: by `signal`, or when its reader leaves the loop. */
export async function* hintsOf(
  subscribe: Subscribe,
  signal: AbortSignal,
): AsyncGenerator<ChangeHint, void> {
  if (signal.aborted) return;
  const gathered = new Set<string | undefined>();
  let wake = Promise.withResolvers<void>();
  const unsubscribe = await subscribe((instance) => {
    gathered.add(gathered.size < MAX_GATHERED_HINTS ? instance : undefined);
    wake.resolve();
  });
  let unsubscribed: Promise<unknown> | undefined;
  const end = async (): Promise<unknown> => (unsubscribed ??= Promise.resolve(unsubscribe()));
  // At once: a reader that has aborted need not ask again.
  const onAbort = (): void => {
    // The reader is told by the next call.
    end().catch(() => undefined);
    wake.resolve();
  };
  signal.addEventListener('abort', onAbort);
  try {
    while (!signal.aborted) {
      if (gathered.size === 0) await wake.promise;
      wake = Promise.withResolvers<void>();
      const hints = [...gathered];
      gathered.clear();
      for (const instance of hints.includes(undefined) ? [undefined] : hints) {
        if (signal.aborted) return;
        yield instance === undefined ? {} : { instance };
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    await end();
  }
}
