/** Fits a text to a terminal: as much of it, from the top, as there is room for. Pure. */

interface Size {
  readonly rows: number;
  readonly columns: number;
}

const COLOUR = /\u001b\[[\d;]*m/y;
const [HOME, ERASE_LINE, ERASE_BELOW, PLAIN] = ['\u001b[H', '\u001b[K', '\u001b[J', '\u001b[0m'];

/** Overwrites line by line: clearing the terminal first would flicker. */
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
