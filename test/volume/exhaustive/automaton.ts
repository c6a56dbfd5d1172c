/**
 * A piece of the project's code as an automaton: each node is the file operation it waits
 * for, each edge a reply. It is found by running the code once for every sequence of replies, from the
 * start; nodes from which everything that can follow is the same are one (a minimal acyclic automaton).
 */
import type { Ask } from './asking-files.ts';
import type { Op } from './memory.ts';

/**
 * Code in pieces. Between two of them its whole local state is in the name of the place, so that each
 * piece is run by itself; a run names the place where it ends.
 */
export interface Program {
  readonly start: string;
  run(place: string, ask: Ask): Promise<string>;
}

/** A place without code: the end of a program. */
export const OVER = 'over';

export interface Node {
  readonly op: Op;
  /** Reply → node; undefined: it is over. */
  readonly next: Map<string, number | undefined>;
}

export interface Automaton {
  readonly nodes: readonly Node[];
  readonly root: number;
  /** How often the code was run to find it. */
  readonly runs: number;
}

type Reached = { readonly op: Op } | { readonly end: string };

/** Runs a piece with these replies, to its next operation or its end. */
function follow(program: Program, place: string, replies: readonly string[]): Promise<Reached> {
  return new Promise((resolve, reject) => {
    const asked: Op[] = [];
    const ask: Ask = async (op) => {
      const reply = replies[asked.push(op) - 1];
      if (reply !== undefined) return reply;
      // When all promises have settled, this is the only call that is waited for, or it is not that simple.
      process.nextTick(() => {
        if (asked.length === replies.length + 1) resolve({ op });
        else reject(new Error(`calls at once, which the search does not know: ${asked.join(' ')}`));
      });
      // It stays there: the next run begins anew.
      return new Promise<never>(() => undefined);
    };
    program.run(place, ask).then((end) => resolve({ end }), reject);
  });
}

type Draft = { readonly op: Op; readonly next: readonly [string, number][] } | { end: string };

const READS: ReadonlySet<Op[0]> = new Set(['list', 'stat', 'read']);

/** `replies`: all possible replies to an operation. */
export async function extract(
  program: Program,
  replies: (op: Op) => readonly string[],
): Promise<Automaton> {
  const drafts: Draft[] = [];
  const known = new Map<string, number>();
  const roots = new Map<string, number>();
  const places = [program.start];
  let runs = 0;
  const intern = (draft: Draft): number => {
    const key = JSON.stringify(draft);
    const found = known.get(key);
    if (found !== undefined) return found;
    known.set(key, drafts.length);
    return drafts.push(draft) - 1;
  };
  const visit = async (place: string, history: readonly string[]): Promise<number> => {
    runs += 1;
    const reached = await follow(program, place, history);
    if ('end' in reached) {
      if (!places.includes(reached.end)) places.push(reached.end);
      return intern(reached);
    }
    const next: [string, number][] = [];
    for (const reply of replies(reached.op)) {
      next.push([reply, await visit(place, [...history, reply])]);
    }
    // A read that nothing depends on is not a step: it changes nothing.
    const isIdle = READS.has(reached.op[0]) && next.every(([, to]) => to === next[0]![1]);
    return isIdle ? next[0]![1] : intern({ op: reached.op, next });
  };
  for (const place of places) if (place !== OVER) roots.set(place, await visit(place, []));
  const resolve = (id: number): number | undefined => {
    const draft = drafts[id]!;
    if (!('end' in draft)) return id;
    return draft.end === OVER ? undefined : resolve(roots.get(draft.end)!);
  };
  const nodes = drafts.map((draft): Node => {
    if ('end' in draft) return { op: ['stat', ''], next: new Map() };
    return { op: draft.op, next: new Map(draft.next.map(([reply, to]) => [reply, resolve(to)])) };
  });
  return { nodes, root: resolve(roots.get(program.start)!)!, runs };
}
