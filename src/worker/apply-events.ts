/** Applies pending events, or a decision on observed instances, to a state that waits. Pure. */
import type { Outcome, Task } from '../engine/session.ts';
import { applyJoinEvents } from '../machine/join-events.ts';
import { applyEvents } from '../machine/event-batch.ts';
import type { Machine } from '../machine/definition.ts';
import { isOpen } from '../machine/join.ts';
import { parseStateName } from '../machine/name.ts';
import type { CommitRecord } from '../machine/record.ts';
import { readingOf, type DecisionContext } from './decision-context.ts';

/** Without events: sets the timers of the state, once. */
export function applyPending(
  task: Task,
  { machine, state }: { readonly machine: Machine; readonly state: string },
  context: DecisionContext,
): Outcome {
  const { name, file, events } = task;
  const isJoining = isOpen(file.join);
  const hasTimers = !isJoining && machine.timers.has(state) && file.since === undefined;
  if (events.length === 0 && !hasTimers) return { kind: 'wait' };
  const { instance } = parseStateName(name)!;
  const { now: finished, session, worker } = context;
  const sensor = (other: string): ReturnType<typeof readingOf> => readingOf(other, task, context);
  const input = { machine, instance, name, file, state, events, finished, sensor };
  const burst = isJoining ? applyJoinEvents(input) : applyEvents(input);
  const record: CommitRecord = {
    flockwork: 1,
    state: name,
    session,
    worker,
    started: finished,
    finished,
    machine: machine.name,
    ...(burst.events.length > 0 && { events: burst.events }),
    ...(burst.emit.length > 0 && { emit: burst.emit }),
    next: burst.next,
  };
  const readSet = burst.hasLooked && { readSet: machine.sensors };
  return { kind: 'commit', record, rests: burst.rests, ...readSet };
}
