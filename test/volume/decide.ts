/** What a worker makes of a state that a session has claimed. */
import type { Settlement, Task } from '../../src/engine/session.ts';
import type { Registry } from '../../src/machine/registry.ts';
import {
  changeOf,
  classifyState,
  newSettlement,
  type ReadState,
} from '../../src/volume/claimed-task.ts';
import type {
  VolumeOutcome,
  VolumeSettlement,
  VolumeOperations,
} from '../../src/volume/operations.ts';
import { needsTick, plan, outcomeOfTick, type DecisionContext } from '../../src/worker/plan.ts';
import { createExecute } from '../../src/worker/executor.ts';
import type { Execute } from '../../src/worker/ports.ts';

/** The cycle that decisions which have observed others are bound to. */
export const DECIDED_IN = 7;

const silent = (): undefined => undefined;
const executeQuietly: Execute = createExecute({
  clock: { now: () => 0, monotonic: () => 0, sleep: async () => undefined },
  log: { debug: silent, info: silent, warn: silent, error: silent },
  print: silent,
  pauseScale: 0,
});

type Operations = Pick<
  VolumeOperations,
  'token' | 'stamp' | 'readState' | 'events' | 'history' | 'sensor'
>;

/** Throws for a machine that is not in the registry. */
export async function decide(
  operations: Operations,
  name: string,
  registry: Registry,
  execute: Execute = executeQuietly,
): Promise<VolumeSettlement> {
  const { session, worker } = operations.token;
  const now = operations.stamp();
  const context = { session, worker, now, at: 0, patience: 0 };
  const found = classifyState(name, await operations.readState(name), undefined, context);
  if (found.kind === 'wait') throw new Error(`${name} does not parse`);
  if (found.kind === 'change') return newSettlement(name, found.change);
  const newest = new Map<string, string>();
  const decision: DecisionContext = { ...context, engineId: 'volume-id', registry, newest };
  const needsSlot = needsTick(found.read.file, decision);
  const events = needsSlot ? [] : await operations.events(name);
  const read: ReadState = { ...found.read, needsSlot, events };
  return newSettlement(
    name,
    await changeFor(taskOf(operations, name, read), read, decision, execute),
  );
}

function taskOf(operations: Operations, name: string, read: ReadState): Task {
  return {
    name,
    session: operations.token.session,
    file: read.file,
    attempts: read.attempts,
    events: read.events,
    asOf: DECIDED_IN,
    signal: new AbortController().signal,
    observe: (instance) => operations.sensor(instance),
    history: () => operations.history(name),
  };
}

async function changeFor(
  task: Task,
  read: ReadState,
  context: DecisionContext,
  execute: Execute,
): Promise<VolumeOutcome> {
  const planned = plan(task, context);
  if (planned.kind === 'unknown') throw new Error(`${task.name}: ${planned.refusal.reason}`);
  if (planned.kind === 'outcome') {
    return changeOf({ hold: task, outcome: planned.outcome }, read, DECIDED_IN);
  }
  const result = await execute(planned.tick, task);
  const outcome = outcomeOfTick(planned, result, context.now, context, () => 0.5);
  const { machine, attempt } = planned.tick;
  const settlement: Settlement = {
    hold: task,
    outcome,
    machine,
    tick: { started: context.now, duration: 0, attempt },
  };
  return changeOf(settlement, read, DECIDED_IN);
}
