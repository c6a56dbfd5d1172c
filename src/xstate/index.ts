/** `flockwork/xstate`: machines of XState 5. The only folder that imports `xstate`, which is the user's to install. */
import type { AnyStateMachine } from 'xstate';
import type { Decide, Decision } from '../machine/decide.ts';
import type { ActivityOptions, Json, Machine, StateLookup } from '../machine/definition.ts';
import { checkNames, finished, runnable } from '../machine/machine.ts';
import type { InstanceSnapshot } from '../machine/table.ts';
import { define, type Definition } from './definition.ts';
import { heldIn, stateText } from './held.ts';
import { react, restore } from './react.ts';
import { tickOf } from './tick.ts';

/** `timeout` and `retry` are those of the promises that it invokes. */
export interface XStateOptions extends ActivityOptions {
  name: string;
  version?: string;
}

/**
 * An XState machine as one of Flockwork's. Throws `bad-machine`, with all that it has and that cannot be here: actors other
 * than promises, and actions that do something by themselves.
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
    lookup: (at) => lookup(definition, activity, at),
    decide: decideBy(definition),
  });
}

/** Of XState: only a timer that runs, or a promise that has ended, brings one. */
const isOwn = (event: string): boolean => event.startsWith('xstate.');

function lookup(
  { name, hash }: Definition,
  activity: Extract<StateLookup, { kind: 'runnable' }>['activity'],
  { state, payload }: InstanceSnapshot,
): StateLookup {
  const notFound = (code: 'unknown-state' | 'other-definition', reason: string): StateLookup => ({
    kind: 'not-found',
    code,
    reason: `machine ${name} ${reason}`,
  });
  const held = heldIn(payload);
  if (held === undefined) {
    if (state === name) return { kind: 'runnable', state, activity };
    return notFound('unknown-state', `begins in state "${name}"; there is no snapshot of ${state}`);
  }
  if (held.xstate !== hash) {
    const reason = `has changed: the snapshot is of definition ${held.xstate}, and this one is ${hash}`;
    return notFound(
      'other-definition',
      `${reason}; load that one as well, each with a version of its own`,
    );
  }
  const { value, status, children } = held.snapshot;
  const kept = stateText(value);
  if (kept !== state) {
    return notFound('unknown-state', `is not in "${state}": its snapshot is of "${kept}"`);
  }
  const isRunnable = status === 'done' || Object.keys(children).length > 0;
  return isRunnable ? { kind: 'runnable', state, activity } : { kind: 'waiting', state };
}

function decideBy(definition: Definition): Decide {
  return (instance, { state, payload }, { event, details = null, since }) => {
    const refuse = (reason: string): Decision => ({ outcome: 'EventNotAllowed', reason });
    const held = heldIn(payload)!;
    const isTimer = held.timers.some((timer) => timer.since === since);
    if (since !== undefined && !isTimer) return refuse(`${since} does not run any more`);
    if (isOwn(event) && !isTimer) return refuse(`${event} is not sent, but caused`);
    if (typeof details !== 'object' || Array.isArray(details)) {
      return refuse('the details of an event for an XState machine are an object');
    }
    const timers = held.timers.filter((timer) => timer.since !== since);
    const given = { ...details, type: event };
    try {
      // A timer is over, also where nothing takes its event.
      if (!isTimer && !restore(definition, held).can(given)) {
        return refuse(`no transition takes ${event} in state ${state}`);
      }
      const reaction = react(definition, instance, { ...held, timers }, given);
      const to = stateText(reaction.held.snapshot.value);
      const { emit } = reaction;
      return {
        outcome: 'Ok',
        state: to,
        payload: reaction.held as unknown as Json,
        moved: to !== state,
        emit,
      };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { outcome: 'InternalError', reason };
    }
  };
}
