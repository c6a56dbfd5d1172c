/**
 * Escapes control sequences in text from files, commands, errors and names before it is sent to a terminal. Escapes are as
 * in JSON (`\u001b`), so JSON texts keep their meaning.
 */

/** C0 except tab and line feed, DEL, C1, and the characters that turn the direction of text or break lines. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
/** Colours as `styleText` writes them. */
const COLOURS = /(\u001b\[[\d;]*m)/;

const escaped = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Keeps line feeds and tabs; drops a carriage return before a line feed. */
export function shown(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(CONTROLS, escaped);
}

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
