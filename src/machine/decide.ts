/**
 * Decides what one event does to one instance, or to none. Pure: the worker applies the decision, the model checker explores
 * it.
 */
import type { Json, RunnableActivity } from './definition.ts';
import { areEventRequests, type EventFile, type EventDraft } from './event.ts';
import { isObject } from './json-text.ts';
import {
  impossible,
  same,
  verdictName,
  type Cell,
  type InstanceSnapshot,
  type GuardContext,
  type Verdict,
} from './table.ts';
import type { RejectionRecord } from './record.ts';

export interface EventInput {
  readonly event: string;
  readonly details: Json;
}

/** An event that a tick or a hook sends to another instance, or to its own. */
export interface EventRequest {
  readonly to: string;
  readonly event: string;
  readonly details?: Json;
}

/** An activity that the hook `after` runs, by its name. */
export interface HookRun<Run extends string = string> {
  readonly run: Run;
}

/** A transition that is to be made (`before`), or is made (`after`). */
export interface Transition<
  State extends string = string,
  Event extends string = string,
> extends GuardContext<State, Event> {
  readonly to: State;
}

/** The transition table of a machine, and its hooks. */
export interface Rules {
  readonly table: Readonly<Record<string, Readonly<Record<string, Cell>>>>;
  /** By event: what the instance works toward once the event is accepted. Kept as `payload.goal`. */
  readonly goals: Readonly<Record<string, string>>;
  /** Returns the reason for a veto, or undefined. */
  readonly before: ((transition: Transition) => string | undefined) | undefined;
  readonly after: ((transition: Transition) => readonly (EventRequest | HookRun)[]) | undefined;
  /** The activities that `after` may run, by name. */
  readonly activities: ReadonlyMap<string, RunnableActivity>;
}

export type Decision =
  | {
      readonly outcome: 'Ok';
      readonly state: string;
      readonly payload: Json;
      /** False if the instance stays in its state, whose timers continue. */
      readonly moved: boolean;
      readonly emit: readonly EventDraft[];
      /** Name of the activity that runs before the next event. */
      readonly run?: string;
    }
  | {
      readonly outcome: 'EventNotAllowed' | 'TransitionNotAllowed' | 'InternalError';
      readonly reason: string;
    };

/** Decides on an event. `at.since`: the state file that has set the timers of the current state. */
export type Decide = (
  instance: string,
  at: InstanceSnapshot & { readonly since: string | undefined },
  event: EventFile,
  sensor: (instance: string) => InstanceSnapshot | undefined,
) => Decision;

/** Decides by a table; without one, every event is refused. */
export function decideBy(rules: Rules | undefined): Decide {
  return (instance, at, { event, details = null, since }, sensor) => {
    if (since !== undefined && since !== at.since) {
      const reason = `the timer was set in ${since}, and the instance has left that state`;
      return refuse('EventNotAllowed', reason);
    }
    if (rules === undefined) return refuse('EventNotAllowed', `there is no event ${event}`);
    return decide(rules, instance, at, { event, details }, sensor);
  };
}

/** `sensor` reads other instances. An exception of the user's code becomes `InternalError`. */
export function decide(
  rules: Rules,
  instance: string,
  { state, payload }: InstanceSnapshot,
  { event, details }: EventInput,
  sensor: (instance: string) => InstanceSnapshot | undefined,
): Decision {
  const row = own(rules.table, state);
  if (row === undefined) return refuse('InternalError', `there is no state ${state}`);
  const cell = own(row, event);
  if (cell === undefined) return refuse('EventNotAllowed', `there is no event ${event}`);
  const goal = own(rules.goals, event) ?? goalOf(payload);
  const situation: GuardContext = { instance, state, payload, event, details, goal, sensor };
  try {
    const verdict = verdictOf(cell, situation);
    if (verdict === impossible) {
      return refuse('EventNotAllowed', `${event} is impossible in state ${state}`);
    }
    const held = withGoal(payload, goal);
    if (verdict === same) return { outcome: 'Ok', state, payload: held, moved: false, emit: [] };
    const transition: Transition = { ...situation, to: verdict };
    const veto = rules.before?.(transition);
    if (veto !== undefined) return refuse('TransitionNotAllowed', checkVeto(veto));
    const { emit, run } = checkAfter(rules.after?.(transition), rules.activities);
    const isRun = run !== undefined && { run };
    return { outcome: 'Ok', state: verdict, payload: held, moved: true, emit, ...isRun };
  } catch (error) {
    return refuse('InternalError', error instanceof Error ? error.message : String(error));
  }
}

/** Own properties only: a state or an event may be called `constructor`. */
function own<Value>(record: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function refuse(
  outcome: Exclude<Decision, { outcome: 'Ok' }>['outcome'],
  reason: string,
): Decision {
  return { outcome, reason };
}

function verdictOf(cell: Cell, situation: GuardContext): Verdict {
  if (typeof cell !== 'object') return cell;
  const verdict = cell.decide(situation);
  if (cell.among.includes(verdict)) return verdict;
  const among = cell.among.map(verdictName).join(', ');
  throw new Error(`"${cell.label}" chose ${verdictName(verdict)}, which is not among ${among}`);
}

function checkVeto(veto: unknown): string {
  if (typeof veto === 'string') return veto;
  throw new Error(`before must return a reason (text) or undefined, got ${verdictName(veto)}`);
}

/** What `after` has returned, as events and an activity. Undefined means nothing. */
function checkAfter(
  returned: unknown,
  activities: ReadonlyMap<string, unknown>,
): { readonly emit: readonly EventRequest[]; readonly run: string | undefined } {
  const parts: unknown = returned ?? [];
  if (!Array.isArray(parts)) throw new Error(AFTER_SHAPE);
  const emit = parts.filter((one) => !isHookRun(one));
  if (!areEventRequests(emit)) throw new Error(AFTER_SHAPE);
  return { emit, run: checkRuns(parts.filter(isHookRun), activities) };
}

const AFTER_SHAPE =
  'after must return a list of events, and of an activity to run: [{ to, event, details? }, { run }]';

/** The name of the activity to run, if any. */
function checkRuns(
  runs: readonly HookRun[],
  activities: ReadonlyMap<string, unknown>,
): string | undefined {
  if (runs.length > 1) {
    const names = runs.map(({ run }) => run).join(', ');
    throw new Error(`after must run one activity at most, got ${names}`);
  }
  const run = runs[0]?.run;
  if (run === undefined || activities.has(run)) return run;
  const known = [...activities.keys()].join(', ') || 'none';
  throw new Error(`after runs ${run}, which is not in hooks.activities; there are ${known}`);
}

function isHookRun(value: unknown): value is HookRun {
  return isObject(value) && typeof value['run'] === 'string' && Object.keys(value).length === 1;
}

function goalOf(payload: Json): string | undefined {
  return isObject(payload) && typeof payload['goal'] === 'string' ? payload['goal'] : undefined;
}

function withGoal(payload: Json, goal: string | undefined): Json {
  if (goal === undefined || goal === goalOf(payload)) return payload;
  if (isObject(payload)) return { ...payload, goal };
  throw new Error('cannot keep the goal: the payload is not an object');
}

/** How long an event waits for its instance, unless its sender specifies it. */
export const DEFAULT_GRACE_MS = 10_000;

/** The instance's last state file. */
export interface LastStep {
  readonly name: string;
  readonly hasEnded: boolean;
}

/** Why the event is rejected; undefined while it waits. `isLate`: its grace period is over. */
export function unroutableReason(
  instance: string,
  last: LastStep | undefined,
  isLate: boolean,
): Pick<RejectionRecord, 'outcome' | 'reason'> | undefined {
  if (last === undefined) {
    if (!isLate) return undefined;
    return { outcome: 'FsmNotFound', reason: `there is no instance ${instance}` };
  }
  if (!last.hasEnded) return undefined;
  return { outcome: 'EventNotAllowed', reason: `${instance} has ended with ${last.name}` };
}
