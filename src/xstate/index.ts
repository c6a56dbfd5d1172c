/** `flockwork/xstate`: machines of XState 5. Only this folder imports `xstate`, which the user installs. */
import type { AnyStateMachine } from 'xstate';
import type { Decide, Decision } from '../machine/decide.ts';
import type { ActivityOptions, Json, Machine, StateLookup } from '../machine/definition.ts';
import { checkNames, finished, runnable } from '../machine/machine.ts';
import type { InstanceSnapshot } from '../machine/table.ts';
import { define, type Definition } from './definition.ts';
import { storedSnapshotIn, stateText, react, restore } from './snapshot.ts';
import { tickOf } from './tick.ts';

/** `timeout` and `retry` apply to the promises that the machine invokes. */
export interface XStateOptions extends ActivityOptions {
  name: string;
  version?: string;
}

/**
 * Converts an XState machine. Throws `bad-machine`, with all its unsupported features: actors other than promises, and
 * actions with side effects.
 */
export function fromXState(machine: AnyStateMachine, options: XStateOptions): Machine {
  const { name, version, ...activityOptions } = options;
  checkNames(options);
  const definition = define(machine, name);
  const activity = runnable({ ...activityOptions, tick: tickOf(definition) }, `machine ${name}`);
  return finished({
    name,
    version,
    initial: name,
    activities: new Map([[name, activity]]),
    kinds: new Map(),
    events: machine.events.filter((event) => !isOwn(event)),
    rules: undefined,
    sensors: [],
    timers: new Map(),
    lookup: (at) => place(definition, activity, at),
    decide: decideBy(definition),
  });
}

/** Events that only XState's timers and promises may cause. */
const isOwn = (event: string): boolean => event.startsWith('xstate.');

function place(
  { name, hash }: Definition,
  activity: Extract<StateLookup, { kind: 'runnable' }>['activity'],
  { state, payload }: InstanceSnapshot,
): StateLookup {
  const nowhere = (code: 'unknown-state' | 'other-definition', reason: string): StateLookup => ({
    kind: 'not-found',
    code,
    reason: `machine ${name} ${reason}`,
  });
  const stored = storedSnapshotIn(payload);
  if (stored === undefined) {
    if (state === name) return { kind: 'runnable', state, activity };
    return nowhere('unknown-state', `begins in state "${name}"; there is no snapshot of ${state}`);
  }
  if (stored.xstate !== hash) {
    const reason = `has changed: the snapshot is of definition ${stored.xstate}, this one is ${hash}`;
    return nowhere('other-definition', `${reason}; load both, each with a version of its own`);
  }
  const { value, status, children } = stored.snapshot;
  const kept = stateText(value);
  if (kept !== state) {
    return nowhere('unknown-state', `is not in "${state}": its snapshot is of "${kept}"`);
  }
  const isRunnable = status === 'done' || Object.keys(children).length > 0;
  return isRunnable ? { kind: 'runnable', state, activity } : { kind: 'waiting', state };
}

function decideBy(definition: Definition): Decide {
  return (instance, { state, payload }, { event, details = null, since }) => {
    const refuse = (reason: string): Decision => ({ outcome: 'EventNotAllowed', reason });
    const stored = storedSnapshotIn(payload)!;
    const isTimer = stored.timers.some((timer) => timer.since === since);
    if (since !== undefined && !isTimer) return refuse(`${since} is not running any more`);
    if (isOwn(event) && !isTimer) return refuse(`${event} cannot be sent: only XState causes it`);
    if (typeof details !== 'object' || Array.isArray(details)) {
      return refuse('the details of an event for an XState machine must be an object');
    }
    const timers = stored.timers.filter((timer) => timer.since !== since);
    const given = { ...details, type: event };
    try {
      // A timer ends even if no transition takes its event.
      if (!isTimer && !restore(definition, stored).can(given)) {
        return refuse(`no transition takes ${event} in state ${state}`);
      }
      const reaction = react(definition, instance, { ...stored, timers }, given);
      const to = stateText(reaction.stored.snapshot.value);
      const { emit } = reaction;
      return {
        outcome: 'Ok',
        state: to,
        payload: reaction.stored as unknown as Json,
        moved: to !== state,
        emit,
      };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { outcome: 'InternalError', reason };
    }
  };
}
