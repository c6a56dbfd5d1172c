/** Actors of the search, made of automata, with numbers for operations, replies and positions. */
import type { Automaton } from './automaton.ts';
import type { Op } from './memory.ts';

/** Equal values have one number. */
export class Numbering<T> {
  readonly values: T[] = [];
  readonly #known = new Map<string, number>();

  of(value: T): number {
    const key = JSON.stringify(value);
    let number = this.#known.get(key);
    if (number === undefined) {
      number = this.values.push(value) - 1;
      this.#known.set(key, number);
    }
    return number;
  }
}

export interface Numbers {
  readonly ops: Numbering<Op>;
  readonly replies: Numbering<string>;
}

interface Move {
  readonly op: number;
  /** The victim of a reaper's first move in a round. */
  readonly victim?: string;
  /** By the reply's number: the position it leads to. */
  readonly next: readonly (number | undefined)[];
}

export interface Actor {
  readonly name: string;
  readonly start: number;
  /** By position. Where there are several, one is chosen. */
  readonly moves: readonly (readonly Move[])[];
  /** By position: the position after a crash there. */
  readonly deaths: readonly (number | undefined)[];
}

/** The moves of an automaton whose nodes are the positions from `start` on; `over` is where it ends. */
function movesOf(
  automaton: Automaton,
  start: number,
  over: number,
  { ops, replies }: Numbers,
): Move[] {
  return automaton.nodes.map((node) => {
    const next: (number | undefined)[] = [];
    for (const [reply, to] of node.next) {
      next[replies.of(reply)] = to === undefined ? over : start + to;
    }
    return { op: ops.of(node.op), next };
  });
}

/** A worker has one session after the other; the last position is the end of the last one. */
export function workerOf(name: string, sessions: readonly Automaton[], numbers: Numbers): Actor {
  const moves: Move[][] = [];
  const deaths: (number | undefined)[] = [];
  for (const [index, automaton] of sessions.entries()) {
    const start = moves.length;
    const end = start + automaton.nodes.length;
    const following = sessions[index + 1];
    const over = following === undefined ? end : end + following.root;
    for (const move of movesOf(automaton, start, over, numbers)) {
      moves.push([move]);
      // The last one need not crash: to all others it is as if it never moved again.
      deaths.push(following === undefined ? undefined : over);
    }
  }
  moves.push([]);
  return { name, start: sessions[0]!.root, moves, deaths };
}

/** Position 0 is between rounds; the first operation of a round chooses its victim. */
export function reaperOf(
  name: string,
  rounds: ReadonlyMap<string, Automaton>,
  numbers: Numbers,
): Actor {
  const moves: Move[][] = [[]];
  const deaths: (number | undefined)[] = [undefined];
  for (const [victim, automaton] of rounds) {
    const start = moves.length;
    for (const move of movesOf(automaton, start, 0, numbers)) {
      moves.push([move]);
      deaths.push(0);
    }
    moves[0]!.push({ ...moves[start + automaton.root]![0]!, victim });
  }
  return { name, start: 0, moves, deaths };
}
