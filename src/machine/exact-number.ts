/** Numbers in a JSON text that a double cannot hold: whoever reads them gets another number. */

/** Only these may be: an integer of 16 digits, or an exponent of three. Most texts have neither. */
const SUSPECT = /\d{16}|[eE][-+]?\d{3}/;
/** Texts are passed over. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/gs;
const PARTS = /^-?(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/;
const MAX_SHOWN_LENGTH = 40;

export interface AlteredNumber {
  readonly offset: number;
  readonly reason: string;
}

/**
 * The first integer that would not be written again as it was read, or number that would be infinite or zero. Fractions
 * are rounded, as everywhere. `text` is JSON.
 */
export function findAlteredNumber(text: string): AlteredNumber | undefined {
  if (!SUSPECT.test(text)) return undefined;
  for (const { 0: written, index } of text.matchAll(TOKEN)) {
    if (written.startsWith('"') || isKept(written)) continue;
    const shown =
      written.length <= MAX_SHOWN_LENGTH ? written : `${written.slice(0, MAX_SHOWN_LENGTH)}…`;
    const number = Number(written);
    const becomes = Number.isFinite(number) ? `would become ${number}` : 'is larger than any';
    return {
      offset: index,
      reason: `the number ${shown} ${becomes}: write it as a text, "${shown}"`,
    };
  }
  return undefined;
}

function isKept(written: string): boolean {
  const number = Number(written);
  if (!Number.isFinite(number)) return false;
  const [, whole = '', fraction = '', exponent = '0'] = PARTS.exec(written) ?? [];
  if (number === 0) return !/[1-9]/.test(whole + fraction);
  if (fraction !== '' || exponent.startsWith('-')) return true;
  return decimal(written) === decimal(String(number));
}

/** The same for the same number, however it is written. */
function decimal(written: string): string {
  const [, whole = '', fraction = '', exponent = '0'] = PARTS.exec(written) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  const power = Number(exponent) - fraction.length + digits.length - significant.length;
  return `${significant}e${power}`;
}
