/** Names as readable text: nothing in them can be mistaken for the surrounding text. */

const CONTROL = /[\u0000-\u001f\u007f]/g;
const NO_CHARACTER =
  /[\u0080-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff]|\p{Surrogate}/gu;
const OUTER_SPACE = /^ +| +$/g;

/** One line for any name: a line break becomes ␊, a space at an end ␣, a character that cannot be shown �. */
export function visible(name: string): string {
  return name
    .replace(CONTROL, (one) =>
      one === '\u007f' ? '\u2421' : String.fromCharCode(0x2400 + one.charCodeAt(0)),
    )
    .replace(NO_CHARACTER, '\ufffd')
    .replace(OUTER_SPACE, (spaces) => '\u2423'.repeat(spaces.length));
}

/** As a machine's definition has it: `3s`, `1.5s`, `150ms`. */
export function shortDuration(ms: number): string {
  const units = [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const;
  const [unit, size] = units.find(([, whole]) => ms >= whole && (ms * 100) % whole === 0) ?? [
    'ms',
    1,
  ];
  return `${ms / size}${unit}`;
}
