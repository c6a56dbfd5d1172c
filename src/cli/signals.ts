/** Signals, and readers that go away: what asks this process to stop. */

/** A signal's conventional exit status. */
export const SIGNALED = { SIGINT: 130, SIGTERM: 143 } as const;
type Signal = keyof typeof SIGNALED;

export interface Signals {
  readonly stop: AbortSignal;
  readonly received: () => Signal | undefined;
  /** As if the signal had come: a prompt reads Ctrl-C as a key. */
  readonly raise: (signal: Signal) => void;
  readonly close: () => void;
}

/** The first signal asks to stop, the second one ends the process at once. */
export function listenForSignals(): Signals {
  const stop = new AbortController();
  let received: Signal | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (received !== undefined) process.exit(SIGNALED[signal as Signal]);
    received = signal as Signal;
    stop.abort();
  };
  // The reader of a pipe has gone (`flockwork log | head`), or the terminal: as good as being told to stop.
  const onPipe = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error;
    stop.abort();
  };
  for (const signal of Object.keys(SIGNALED)) process.on(signal, onSignal);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', onPipe);
  return {
    stop: stop.signal,
    received: () => received,
    raise: onSignal,
    close: () => {
      for (const signal of Object.keys(SIGNALED)) process.off(signal, onSignal);
    },
  };
}
