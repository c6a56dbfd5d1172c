/** The order of all lists that several workers sort: by code points, like the original. */

/** UTF-16 code units would put U+10000 before U+E000. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const [left, right] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (left === right) continue;
    const isLeftSurrogate = left >= 0xd800 && left < 0xe000;
    const isRightSurrogate = right >= 0xd800 && right < 0xe000;
    // A surrogate stands for a code point above all others.
    if (isLeftSurrogate !== isRightSurrogate) return isLeftSurrogate ? 1 : -1;
    return left - right;
  }
  return a.length - b.length;
}
