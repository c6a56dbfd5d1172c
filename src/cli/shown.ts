/**
 * Text that came from files, commands, errors or names, as it may be sent to a terminal: control sequences are shown,
 * not sent. `\u001b` stands for an escape character, as in JSON, so JSON texts keep their meaning.
 */

/** C0 except tab and line feed, DEL, C1, and the characters that turn the direction of text or break lines. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
/** What `styleText` writes. */
const COLOURS = /(\u001b\[[\d;]*m)/;

const escaped = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Lines stay lines; a carriage return before a line feed is dropped. */
export function shown(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(CONTROLS, escaped);
}

/** The same on one line, for names and cells. */
export function oneLine(text: string): string {
  return shown(text).replace(/[\t\n]/g, (one) => (one === '\n' ? '\\n' : '\\t'));
}

/** The same for a text that was painted. Parts of it that others wrote were `shown` before that. */
export function shownPainted(text: string, hasColours: boolean): string {
  if (!hasColours) return shown(text);
  const parts = text.split(COLOURS);
  return parts.map((part, index) => (index % 2 === 1 ? part : shown(part))).join('');
}
