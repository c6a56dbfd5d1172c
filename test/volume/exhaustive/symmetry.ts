/**
 * Workers are interchangeable: of states that differ only by their names one is looked at. That the
 * automata really are the same but for names is checked edge by edge.
 */
import type { Actor, Numbers } from './actors.ts';
import type { Entries } from './memory.ts';
import type { Volumes } from './volumes.ts';

/** A renaming: worker `w${index + 1}` becomes `w${permutation[index] + 1}`. */
type Permutation = readonly number[];

const NAME = /\bw(\d+)\b/g;

export function rename(text: string, permutation: Permutation): string {
  return text.replace(NAME, (_, digits: string) => `w${permutation[Number(digits) - 1]! + 1}`);
}

function permutationsOf(count: number): Permutation[] {
  if (count === 0) return [[]];
  return permutationsOf(count - 1).flatMap((shorter) =>
    Array.from({ length: count }, (_, place) => shorter.toSpliced(place, 0, count - 1)),
  );
}

export class Symmetry {
  readonly permutations: readonly Permutation[];
  readonly #volumes: Volumes;
  /** By permutation, then by actor: position → position of the actor with the new name. */
  readonly #positions: readonly (readonly (readonly number[])[])[];
  /** By worker: positions as those of the first worker, so that they compare. */
  readonly #ranks: readonly (readonly number[])[];
  /** By permutation, then by volume. */
  readonly #renamed: number[][];

  /** The first `workers` actors are the workers. */
  constructor(actors: readonly Actor[], workers: number, numbers: Numbers, volumes: Volumes) {
    this.#volumes = volumes;
    // The identity first.
    this.permutations = permutationsOf(workers).sort((a, b) => Number(b.join() < a.join()) * 2 - 1);
    this.#renamed = this.permutations.map(() => []);
    this.#positions = this.permutations.map((permutation) =>
      actors.map((actor, index) =>
        correspondence(actor, actors[permutation[index] ?? index]!, permutation, numbers),
      ),
    );
    this.#ranks = Array.from({ length: workers }, (_, worker) => {
      const toFirst = this.permutations.findIndex((permutation) => permutation[worker] === 0);
      return this.#positions[toFirst]![worker]!;
    });
  }

  /** The permutation that puts the workers in the order of their positions, by number. */
  choose(positions: readonly number[]): number {
    const ranks = this.#ranks;
    let best = 0;
    if (ranks.length === 2) {
      best = ranks[0]![positions[0]!]! > ranks[1]![positions[1]!]! ? 1 : 0;
    } else if (ranks.length > 2) {
      const order = ranks.map((rank, worker) => rank[positions[worker]!]!);
      best = this.permutations.findIndex((permutation) =>
        order.every((one, a) =>
          order.every((other, b) =>
            one < other || (one === other && a < b) ? permutation[a]! < permutation[b]! : true,
          ),
        ),
      );
    }
    return best;
  }

  volume(permutation: number, volume: number): number {
    return (this.#renamed[permutation]![volume] ??= this.#volumes.numberOf(
      renameEntries(this.#volumes.at(volume), this.permutations[permutation]!),
    ));
  }

  /** The actor that a permutation gives this one's name. */
  source(permutation: number, actor: number): number {
    const place = this.permutations[permutation]!.indexOf(actor);
    return place === -1 ? actor : place;
  }

  position(permutation: number, actor: number, position: number): number {
    return this.#positions[permutation]![actor]![position]!;
  }
}

function renameEntries(entries: Entries, permutation: Permutation): Entries {
  return new Map(
    [...entries].map(([path, content]) => [
      rename(path, permutation),
      content === undefined ? undefined : rename(content, permutation),
    ]),
  );
}

/** Which position of `to` is which of `from` with its names changed. Throws where there is none. */
function correspondence(
  from: Actor,
  to: Actor,
  permutation: Permutation,
  { ops, replies }: Numbers,
): number[] {
  const positions: number[] = [];
  const pairs: [number, number][] = [[from.start, to.start]];
  const join = (one: number | undefined, other: number | undefined): void => {
    if (one === undefined && other === undefined) return;
    if (one === undefined || other === undefined) throw new Error(`${from.name} is no ${to.name}`);
    if (positions[one] === other) return;
    if (positions[one] !== undefined) throw new Error(`${from.name} is no ${to.name}`);
    positions[one] = other;
    pairs.push([one, other]);
  };
  positions[from.start] = to.start;
  for (const [one, other] of pairs) {
    join(from.deaths[one], to.deaths[other]);
    for (const move of from.moves[one]!) {
      const op = ops.of(ops.values[move.op]!.map((part) => rename(part, permutation)) as never);
      const victim = move.victim === undefined ? undefined : rename(move.victim, permutation);
      const counterpart = to.moves[other]!.find((each) => each.op === op && each.victim === victim);
      if (counterpart === undefined) throw new Error(`${from.name} is no ${to.name}`);
      for (const [reply, next] of move.next.entries()) {
        const renamed = replies.of(rename(replies.values[reply]!, permutation));
        join(next, counterpart.next[renamed]);
      }
    }
  }
  return positions;
}
