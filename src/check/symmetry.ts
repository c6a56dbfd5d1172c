/**
 * Symmetry reduction: of all worlds that differ only by a permutation of symmetric instances, the one whose groups have
 * sorted configurations is explored.
 */

/** A permutation of instances: `to[i]` takes the place of `i`; `back` is the inverse. */
export interface Exchange {
  readonly to: readonly number[];
  readonly back: readonly number[];
}

/** All permutations within the groups except the identity. */
export function exchangesOf(groups: readonly (readonly number[])[], width: number): Exchange[] {
  let all: number[][] = [Array.from({ length: width }, (_, index) => index)];
  for (const group of groups) {
    all = all.flatMap((to) =>
      permutations(group).map((order) => {
        const next = [...to];
        group.forEach((member, at) => (next[member] = order[at]!));
        return next;
      }),
    );
  }
  return all
    .filter((to) => to.some((other, index) => other !== index))
    .map((to) => ({ to, back: to.map((_, index) => to.indexOf(index)) }));
}

export function permutations<Thing>(things: readonly Thing[]): Thing[][] {
  if (things.length < 2) return [[...things]];
  return things.flatMap((first, at) =>
    permutations(things.toSpliced(at, 1)).map((others) => [first, ...others]),
  );
}

/** Sorts each group's configurations in place, by `ranks[instance][configuration]`. */
export function normalise(
  world: Uint16Array,
  groups: readonly (readonly number[])[],
  ranks: readonly (readonly number[])[],
): void {
  for (const members of groups) {
    const rank = ranks[members[0]!]!;
    for (let at = 1; at < members.length; at += 1) {
      const moving = world[members[at]!]!;
      let free = at;
      while (free > 0 && rank[world[members[free - 1]!]!]! > rank[moving]!) {
        world[members[free]!] = world[members[free - 1]!]!;
        free -= 1;
      }
      world[members[free]!] = moving;
    }
  }
}
