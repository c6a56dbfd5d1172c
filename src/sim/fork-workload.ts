/** A workload of forks: trees whose branches may be trees, and which may fork again after the join. */
import { done, fork, next, type Answer } from '../machine/answer.ts';
import type { Machine, TickContext } from '../machine/definition.ts';
import type { Branch } from '../machine/fork.ts';
import { machine } from '../machine/machine.ts';
import { Prng } from './prng.ts';
import type { ScheduledFault, Scenario } from './scenario.ts';
import {
  activityOf,
  CHAIN,
  chainPayload,
  prngOf,
  misbehave,
  type ChainOptions,
  type Host,
} from './machines.ts';

export interface Tree {
  /** Forks within forks. */
  readonly depth: number;
  readonly width: number;
  /** Of each branch that does not fork. */
  readonly steps: number;
  /** Number of further forks after the first join. */
  readonly again: number;
}

const TREE = 'tree';

/** The state file of a new tree. */
export function treeState(tree: Tree): string {
  return `${JSON.stringify({ state: TREE, payload: tree })}\n`;
}

export interface TreeOptions extends ChainOptions {
  /** Called when a join is ticked. */
  readonly joined: (state: string, outputs: Readonly<Record<string, unknown>>) => void;
}

export function treeMachine(options: TreeOptions, host: Host): Machine {
  const wrongAnswer = (context: TickContext): Promise<Answer | undefined> => {
    const prng = prngOf(context, options, context.idempotencyKey);
    return misbehave(context, prng, options, host);
  };
  const grow = async (context: TickContext): Promise<Answer> =>
    (await wrongAnswer(context)) ?? forkIn(context.payload as Tree);
  const work = async (context: TickContext): Promise<Answer> => {
    const { instance, payload } = context;
    const wrong = await wrongAnswer(context);
    if (wrong !== undefined) return wrong;
    return payload.left > 1 ? next('work', { left: payload.left - 1 }) : done({ from: instance });
  };
  const joined = async (context: TickContext): Promise<Answer> => {
    const { instance, payload, outputs, idempotencyKey } = context;
    // The key is the volume's id, a slash and the state file's name.
    options.joined(idempotencyKey.slice(idempotencyKey.indexOf('/') + 1), outputs);
    const wrong = await wrongAnswer(context);
    if (wrong !== undefined) return wrong;
    const { again, ...tree } = payload as Tree;
    return again > 0 ? next(TREE, { ...tree, again: again - 1 }) : done({ from: instance });
  };
  return machine({
    name: TREE,
    activities: {
      [TREE]: activityOf(options, grow),
      work: activityOf(options, work),
      joined: activityOf(options, joined),
    },
  });
}

/** The first branch is a tree if `depth` allows; the last one is of another machine. */
function forkIn({ depth, width, steps, again }: Tree): Answer {
  const branches = Array.from({ length: width }, (_, index): [string, Branch] => {
    const name = `b${index}`;
    const payload = { depth: depth - 1, width: width - 1, steps, again: 0 };
    if (index === 0 && depth > 1 && width > 1) return [name, { state: TREE, payload }];
    if (index < width - 1) return [name, { state: 'work', payload: { left: steps } }];
    return [name, { state: CHAIN, machine: CHAIN, payload: chainPayload(steps) }];
  });
  return fork(Object.fromEntries(branches), {
    state: 'joined',
    payload: { depth, width, steps, again },
  });
}

function drawTree(prng: Prng): Tree {
  return {
    depth: prng.pick([1, 1, 2]),
    width: prng.whole(1, 3),
    steps: prng.whole(1, 2),
    again: prng.pick([0, 0, 1]),
  };
}

/** Instances that fork. */
export function drawTrees(
  prng: Prng,
  { calm, safety }: Pick<Scenario, 'calm' | 'safety'>,
): ScheduledFault[] {
  if (!prng.chance(0.35)) return [];
  return Array.from({ length: prng.whole(1, 2) }, (_, index): ScheduledFault => {
    const at = calm ? 0 : prng.between(0, 0.5) * safety;
    return { id: `tree ${index}`, at, kind: 'tree', name: `tree${index}`, tree: drawTree(prng) };
  });
}
