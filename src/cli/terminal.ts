/** Text for a terminal: escaped, fitted to its size; and a yes-or-no question. */
import { createInterface } from 'node:readline/promises';
import type { Signals } from './signals.ts';

/**
 * Escapes control sequences in text from files, commands, errors and names. Escapes are as in JSON (`\u001b`), so JSON texts
 * keep their meaning. Keeps line feeds and tabs; drops a carriage return before a line feed.
 */
export function shown(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(CONTROLS, escaped);
}

/** C0 except tab and line feed, DEL, C1, and the characters that turn the direction of text or break lines. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
/** Colours as `styleText` writes them. */
const COLOURS = /(\u001b\[[\d;]*m)/;

const escaped = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** As `shown`, on one line, for names and cells. */
export function oneLine(text: string): string {
  return shown(text).replace(/[\t\n]/g, (one) => (one === '\n' ? '\\n' : '\\t'));
}

/** As `shown`, but keeps our colours. Text of others in it must have been `shown` before it was painted. */
export function shownPainted(text: string, hasColours: boolean): string {
  if (!hasColours) return shown(text);
  const parts = text.split(COLOURS);
  return parts.map((part, index) => (index % 2 === 1 ? part : shown(part))).join('');
}

interface Size {
  readonly rows: number;
  readonly columns: number;
}

const COLOUR = /\u001b\[[\d;]*m/y;
const [HOME, ERASE_LINE, ERASE_BELOW, PLAIN] = ['\u001b[H', '\u001b[K', '\u001b[J', '\u001b[0m'];

/** As much of the text, from the top, as there is room for. Overwrites line by line: clearing the terminal first would flicker. */
export function screenful(text: string, { rows, columns }: Size): string {
  const lines = text.split('\n');
  const room = Math.max(2, rows - 1);
  const some = lines.length <= room ? lines : lines.slice(0, room - 1);
  const more = lines.length - some.length;
  if (more > 0) some.push(`… ${more} more lines: make the terminal larger, or leave out --watch`);
  const drawn = some.map((line) => `${cut(line, columns)}${ERASE_LINE}\n`).join('');
  return `${HOME}${drawn}${ERASE_BELOW}`;
}

/** Cuts a line that is wider than the terminal. Colours have no width. */
function cut(line: string, columns: number): string {
  let [kept, width, isColoured] = ['', 0, false];
  for (let at = 0; at < line.length;) {
    COLOUR.lastIndex = at;
    const colour = COLOUR.exec(line)?.[0];
    if (colour !== undefined) {
      kept += colour;
      at += colour.length;
      isColoured = true;
      continue;
    }
    const character = String.fromCodePoint(line.codePointAt(at)!);
    if (width === columns - 1 && at + character.length < line.length) {
      return `${kept}…${isColoured ? PLAIN : ''}`;
    }
    kept += character;
    width += 1;
    at += character.length;
  }
  return kept;
}

export interface Terminal extends Pick<Signals, 'stop' | 'raise'> {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/** Asks a yes-or-no question. Resolves to false at Ctrl-C (a key while readline reads, hence `raise`), at a signal, and at the end of the input. */
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
