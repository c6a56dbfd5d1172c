/** Stops this process on signals, at the end of the parent process, and when the reader of the output closes. */
import { setImmediate } from 'node:timers/promises';

/** A signal's conventional exit status. */
export const SIGNALED = { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 } as const;
type Signal = keyof typeof SIGNALED;

export interface Signals {
  readonly stop: AbortSignal;
  readonly received: () => Signal | undefined;
  /** Acts as if the signal had arrived: a prompt reads Ctrl-C as a key. */
  readonly raise: (signal: Signal) => void;
  /** Why some standard output could not be written; undefined if all was. */
  readonly lost: () => string | undefined;
  readonly close: () => void;
}

/** The first signal aborts `stop`; the second one ends the process at once. */
export function listenForSignals(): Signals {
  const stop = new AbortController();
  let received: Signal | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (received !== undefined) process.exit(SIGNALED[signal as Signal]);
    received = signal as Signal;
    stop.abort();
  };
  // `up` has ended without stopping its workers, for example by SIGKILL.
  const onDisconnect = (): void => {
    if (received === undefined) onSignal('SIGHUP');
  };
  let lost: string | undefined;
  const onError = (stream: NodeJS.WriteStream, error: NodeJS.ErrnoException): void => {
    // The reader of a pipe has closed (`flockwork log | head`).
    if (error.code === 'EPIPE') return stop.abort();
    // For example a full disk: only the output is lost.
    if (stream !== process.stdout || lost !== undefined) return;
    lost = error.message;
    process.stderr.write(`flockwork: cannot write to standard output: ${lost}\n`);
  };
  for (const signal of Object.keys(SIGNALED)) process.on(signal, onSignal);
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => onError(stream, error));
  }
  process.on('disconnect', onDisconnect);
  // The channel must not keep the process running.
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

const ROUNDS_PER_TURN = 100;

/** Returns a function to await in each round of a loop: it lets signals arrive, and resolves to false after `stop`. */
export function yieldingUntil(stop: AbortSignal): () => Promise<boolean> {
  let rounds = 0;
  return async () => {
    if (++rounds % ROUNDS_PER_TURN === 0) await setImmediate();
    return !stop.aborted;
  };
}
