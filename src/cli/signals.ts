/** What asks this process to stop, or ends it: signals, the process that started it, readers that go away. */

/** A signal's conventional exit status. */
export const SIGNALED = { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 } as const;
type Signal = keyof typeof SIGNALED;

export interface Signals {
  readonly stop: AbortSignal;
  readonly received: () => Signal | undefined;
  /** As if the signal had come: a prompt reads Ctrl-C as a key. */
  readonly raise: (signal: Signal) => void;
  /** Why not all that was printed on standard output has been written; undefined if it has. */
  readonly lost: () => string | undefined;
  readonly close: () => void;
}

/** The first signal asks to stop, the second one ends the process at once; what it has started ends with it. */
export function listenForSignals(): Signals {
  const stop = new AbortController();
  let received: Signal | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (received !== undefined) process.exit(SIGNALED[signal as Signal]);
    received = signal as Signal;
    stop.abort();
  };
  // `up` has ended without a word, by SIGKILL perhaps: its workers would run on unseen.
  const onDisconnect = (): void => {
    if (received === undefined) onSignal('SIGHUP');
  };
  let lost: string | undefined;
  const onError = (stream: NodeJS.WriteStream, error: NodeJS.ErrnoException): void => {
    // The reader of a pipe has gone (`flockwork log | head`): as good as being told to stop.
    if (error.code === 'EPIPE') return stop.abort();
    // A full disk, say: what was to be printed is lost, but nothing else is.
    if (stream !== process.stdout || lost !== undefined) return;
    lost = error.message;
    process.stderr.write(`flockwork: cannot write to standard output: ${lost}\n`);
  };
  for (const signal of Object.keys(SIGNALED)) process.on(signal, onSignal);
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => onError(stream, error));
  }
  process.on('disconnect', onDisconnect);
  // The channel alone keeps no process from its end.
  process.channel?.unref();
  return {
    stop: stop.signal,
    received: () => received,
    raise: onSignal,
    lost: () => lost,
    close: () => {
      for (const signal of Object.keys(SIGNALED)) process.off(signal, onSignal);
    },
  };
}
