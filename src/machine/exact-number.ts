/** Finds numbers in a JSON text that a double cannot represent, and that parsing would alter. */

/** Quick test: an altered number has 16 digits in a row, or an exponent of three digits. Most texts have neither. */
const SUSPECT = /\d{16}|[eE][-+]?\d{3}/;
/** Strings are matched in order to be skipped. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/gs;
const PARTS = /^-?(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/;
const MAX_SHOWN_LENGTH = 40;

export interface AlteredNumber {
  readonly offset: number;
  readonly reason: string;
}

/**
 * The first integer that would change, or the first number that would become infinite or zero. Rounded fractions are
 * accepted. `text` is valid JSON.
 */
export function findAlteredNumber(text: string): AlteredNumber | undefined {
  if (!SUSPECT.test(text)) return undefined;
  for (const { 0: written, index } of text.matchAll(TOKEN)) {
    if (written.startsWith('"') || isKept(written)) continue;
    const shown =
      written.length <= MAX_SHOWN_LENGTH ? written : `${written.slice(0, MAX_SHOWN_LENGTH)}…`;
    const number = Number(written);
    const becomes = Number.isFinite(number) ? `would become ${number}` : 'is too large';
    return {
      offset: index,
      reason: `the number ${shown} ${becomes}; write it as text, "${shown}"`,
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

/** A canonical form, equal for equal numbers. */
function decimal(written: string): string {
  const [, whole = '', fraction = '', exponent = '0'] = PARTS.exec(written) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  const power = Number(exponent) - fraction.length + digits.length - significant.length;
  return `${significant}e${power}`;
}
