/** Check of one composition: explores all worlds, tests its claims, and finds a trace to each violation. */
import type { Claim, Composition } from './composition.ts';
import { explore, findLost, isIncomplete, type Hit } from './explore.ts';
import type { CheckResult, Progress } from './findings.ts';
import { Model } from './model.ts';
import { traceOf } from './trace.ts';

/** Goals are tested only if every successor is known: not if the search was cut short or an instance is missing. */
export function* check(
  composition: Composition,
  { maxStates = Infinity }: { maxStates?: number } = {},
): Generator<Progress, CheckResult> {
  const model = new Model(composition);
  const explored = yield* explore(model, { maxStates });
  const { table, graph, hits, bound, transitions, together, depth, stuck } = explored;
  const goals = goalsOf(composition);
  if (bound === undefined && !isIncomplete(hits)) {
    for (const goal of goals) {
      const lost = yield* findLost(model, table, graph, goal);
      if (lost !== undefined) hits.push(livelock(goal, lost));
    }
    if (goals.length === 0 && stuck !== undefined)
      hits.push({
        kind: 'livelock',
        message: 'nothing can happen any more, and not every instance is in a terminal state',
        at: stuck,
        last: undefined,
      });
  }
  return {
    composition: composition.name,
    findings: hits.map((hit) => ({
      kind: hit.kind,
      message: hit.message,
      trace: hit.kind === 'unreachable' ? undefined : traceOf(model, table, hit),
    })),
    bound,
    states: table.size,
    transitions,
    together,
    depth,
    isSaturated: model.queues.isSaturated,
    bytes: table.bytes + graph.bytes,
  };
}

/** `check` without progress reports. */
export function checkAll(
  composition: Composition,
  options: { maxStates?: number } = {},
): CheckResult {
  const running = check(composition, options);
  for (;;) {
    const step = running.next();
    if (step.done) return step.value;
  }
}

function livelock({ kind, name }: Claim, at: number): Hit {
  const alone = kind === 'settles' ? ' without further input' : '';
  const message = `this goal can no longer be reached${alone}: ${name}`;
  return { kind: 'livelock', message, at, last: undefined };
}

/** The user's goals, and for each machine with terminal states that one of these can be reached. */
function goalsOf({ parts, claims, symmetric }: Composition): Claim[] {
  const own = claims.filter(({ kind }) => kind !== 'never');
  const groups = [
    ...symmetric,
    ...parts.flatMap((_, index) => (symmetric.some((one) => one.includes(index)) ? [] : [[index]])),
  ];
  const terminal = groups.flatMap((group): Claim[] => {
    const members = group.map((index) => parts[index]!);
    const kinds = members[0]!.machine.kinds;
    if (![...kinds.values()].includes('terminal')) return [];
    const isTerminal = (state: string): boolean => kinds.get(state) === 'terminal';
    return [
      {
        kind: 'possible',
        name: `a terminal state of ${members.map(({ name }) => name).join(', ')}`,
        test: (world) => members.every(({ name }) => isTerminal(world(name).state)),
      },
    ];
  });
  return [...own, ...terminal];
}
