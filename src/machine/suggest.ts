/** Suggests the known name that is nearest to a misspelt one. */

/** One letter in three may differ; beyond that it is another word. */
const LETTERS_PER_MISTAKE = 3;

/** Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours. */
export function editDistance(one: string, other: string): number {
  let before: number[] = [];
  let above = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 1; row <= one.length; row += 1) {
    const line = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const same = one[row - 1] === other[column - 1];
      const replaced = above[column - 1]! + (same ? 0 : 1);
      let least = Math.min(replaced, above[column]! + 1, line[column - 1]! + 1);
      const isExchanged =
        row > 1 &&
        column > 1 &&
        one[row - 1] === other[column - 2] &&
        one[row - 2] === other[column - 1];
      if (isExchanged) least = Math.min(least, before[column - 2]! + 1);
      line.push(least);
    }
    before = above;
    above = line;
  }
  return above[other.length]!;
}

/** The nearest of `known`, ignoring case; undefined if none is near. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.round(word.length / LETTERS_PER_MISTAKE)) + 1;
  for (const one of known) {
    const distance = editDistance(word.toLowerCase(), one.toLowerCase());
    if (distance >= least) continue;
    best = one;
    least = distance;
  }
  return best;
}

/** The end of a message: `; did you mean state?`, or a list of all known names. */
export function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? `; there are ${known.join(', ')}` : `; did you mean ${near}?`;
}
