/** Binary search. */

/** The first index below `count` that is not `before`; `count` if all are. Those that are come first. */
export function firstIndex(count: number, before: (index: number) => boolean): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (before(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
