/** Binary search. */

/** The first index below `count` for which `before` is false; `count` if there is none. `before` must be true, then false. */
export function firstIndex(count: number, before: (index: number) => boolean): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (before(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
