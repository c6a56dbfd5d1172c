/** A yes-or-no question on the terminal. */
import { createInterface } from 'node:readline/promises';
import { shown } from './shown.ts';
import type { Signals } from './signals.ts';

export interface Terminal extends Pick<Signals, 'stop' | 'raise'> {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/** Resolves to false at Ctrl-C (a key while readline reads, hence `raise`), at a signal, and at the end of the input. */
export function confirm(
  question: string,
  { input, output, stop, raise }: Terminal,
): Promise<boolean> {
  const ask = createInterface({ input, output });
  return new Promise((resolve) => {
    const end = (answer: boolean): void => {
      stop.removeEventListener('abort', give);
      resolve(answer);
      ask.close();
    };
    const give = (): void => {
      output.write('\n');
      end(false);
    };
    stop.addEventListener('abort', give, { once: true });
    ask.on('SIGINT', () => raise('SIGINT'));
    ask.on('close', () => end(false));
    ask.question(`${shown(question)} [y/N] `).then(
      (answer) => end(/^y(es)?$/i.test(answer.trim())),
      () => end(false),
    );
  });
}
