/** Applies the pending events of one instance, in order, as one step; the step's record has the outcome of each. */
import type { Decision } from './decide.ts';
import type { Json, Machine } from './definition.ts';
import {
  eventRequestsProblem,
  emittedEvent,
  parseEvent,
  parseEventName,
  type EmittedEvent,
  type EventFile,
  type EventOutcome,
  type EventDraft,
} from './event.ts';
import { invariant } from './invariant.ts';
import { successorName } from './name.ts';
import { MAX_KEPT_DETAILS_BYTES, type AppliedEvent } from './record.ts';
import {
  byteLength,
  MAX_STATE_BYTES,
  formatSuccessor,
  type PendingHook,
  type StateFile,
} from './state-file.ts';
import type { InstanceSnapshot } from './table.ts';

/** An event as read from `events/`. */
export interface PendingEvent {
  /** Its file's name. */
  readonly file: string;
  readonly id: string;
  readonly content: string;
}

export interface EventBatchInput {
  readonly machine: Machine;
  readonly instance: string;
  /** The state file's name, and what it says; `state` is the machine's, resolved. */
  readonly name: string;
  readonly file: StateFile;
  readonly state: string;
  /** In the order in which they are applied. */
  readonly events: readonly PendingEvent[];
  /** Other instances, as of the beginning of this cycle. */
  readonly sensor: (instance: string) => InstanceSnapshot | undefined;
  /** ISO 8601: when this step ends. */
  readonly finished: string;
}

/** Contents of the step's record, and what the commit must know of it. */
export interface EventBatch {
  readonly events: readonly AppliedEvent[];
  readonly emit: readonly EmittedEvent[];
  readonly next: { readonly name: string; readonly content: string };
  /** The successor waits for an event. */
  readonly rests: boolean;
  /** A decision read other instances: the step may only be committed in this cycle (I11). */
  readonly hasLooked: boolean;
}

/** Events that one step applies at most. */
export const MAX_BATCH_EVENTS = 64;
/** Of a record's entries for its events: originators and reasons have no limit of their own. */
export const MAX_RECORDED_EVENTS_BYTES: number = MAX_STATE_BYTES;
const MAX_REASON_LENGTH = 10_000;

const TOO_LARGE = `the instance's state file would be larger than ${MAX_STATE_BYTES} bytes`;

/**
 * Applies events until one must wait for the next cycle, or for the activity of a hook; without events it only sets the
 * timers of the state. After the first event, only events are applied whose decision reads no other instance and emits
 * nothing, since what other instances do in this cycle cannot be seen before the next. This makes a batch equivalent to one
 * event per cycle.
 */
export function applyEvents(input: EventBatchInput): EventBatch {
  const batch = apply(input, machineDecides);
  if (byteLength(batch.next.content) <= MAX_STATE_BYTES) return batch;
  const first = { ...input, events: input.events.slice(0, 1) };
  if (input.events.length > 1) return applyEvents(first);
  return apply(first, () => refuse('InternalError', TOO_LARGE));
}

function apply(input: EventBatchInput, decide: typeof machineDecides): EventBatch {
  const { machine, instance, name, file, finished } = input;
  const next = successorName(name);
  const events: AppliedEvent[] = [];
  const drafts: EventDraft[] = [];
  /** Keys, as in `appliedKeys`: the id of a long one is in the content, which may be missing or damaged. */
  const seen = new Set<string>();
  let { state, hasMoved }: { state: string; hasMoved: boolean } = { ...input, hasMoved: false };
  let payload: Json = file.payload;
  let hook: PendingHook | undefined;
  let hasLooked = false;
  let bytes = 0;
  for (const pending of input.events) {
    const { key } = parseEventName(pending.file)!;
    if (seen.has(key)) continue;
    seen.add(key);
    const parsed = parseEvent(pending.content);
    const since = hasMoved ? next : file.since;
    let looks = false;
    const decided = decide(machine, instance, { state, payload, since }, parsed, (other) => {
      looks = true;
      return input.sensor(other);
    });
    const { decision } = decided;
    const applied = appliedOf(pending, parsed, state, decision);
    bytes += bytesOf(applied);
    const isForLater = looks || decided.drafts.length > 0 || bytes > MAX_RECORDED_EVENTS_BYTES;
    if (events.length > 0 && isForLater) break;
    hasLooked ||= looks;
    drafts.push(...decided.drafts);
    events.push(applied);
    if (decision.outcome !== 'Ok') continue;
    hook = hookOf(decision, state, parsed);
    ({ state, payload } = decision);
    hasMoved ||= decision.moved;
    // Later events are for the instance as the activity leaves it.
    if (hook !== undefined) break;
  }
  const isWhole = events.length <= seen.size && (events.length > 0 || input.events.length === 0);
  invariant(isWhole, 'I10: expected an outcome of the first event, and one of each', name);
  const isNew = hasMoved || file.since === undefined;
  // They start when the activity of a hook has ended.
  const timers = isNew && hook === undefined ? timersIn(machine, state, instance, next) : [];
  drafts.push(...timers);
  const since = isNew ? timers[0]?.since : file.since;
  const waits = file.waits === true && !hasMoved;
  const content = formatSuccessor(file, machine.name, { state, payload, since, waits, hook });
  const isWaiting = waits || machine.lookup({ state, payload }).kind === 'waiting';
  return {
    rests: isWaiting && hook === undefined,
    events,
    emit: drafts.map((one, index) => emittedEvent(one, index, { state: name, finished })),
    next: { name: next, content },
    hasLooked,
  };
}

function hookOf(
  { run }: Extract<Decision, { outcome: 'Ok' }>,
  from: string,
  parsed: EventFile | string,
): PendingHook | undefined {
  if (run === undefined || typeof parsed === 'string') return undefined;
  const { event, details } = parsed;
  return { run, from, event, ...(details !== undefined && { details }) };
}

/** The timer events of `state`, which the instance enters with the state file `next`. They lapse when it leaves `state`. */
export function timersIn(
  { timers }: Machine,
  state: string,
  instance: string,
  next: string,
): EventDraft[] {
  return (timers.get(state) ?? []).map(({ after, event }) => ({
    to: instance,
    event,
    delay: after,
    since: next,
  }));
}

export function bytesOf(applied: AppliedEvent): number {
  return byteLength(JSON.stringify(applied));
}

export function appliedOf(
  { file, id }: PendingEvent,
  parsed: EventFile | string,
  from: string,
  decision: Accepted | Refused,
): AppliedEvent {
  const { event, originator, timestamp, details } =
    typeof parsed === 'string' ? ({} as Partial<EventFile>) : parsed;
  return {
    file,
    id,
    ...(event !== undefined && { event }),
    ...(originator !== undefined && { originator }),
    ...(timestamp !== undefined && { timestamp }),
    ...(details !== undefined && keptDetails(details)),
    outcome: decision.outcome,
    from,
    ...(decision.outcome === 'Ok'
      ? { to: decision.state }
      : { reason: decision.reason.slice(0, MAX_REASON_LENGTH) }),
  };
}

function keptDetails(details: Json): Pick<AppliedEvent, 'details' | 'detailsBytes'> {
  const bytes = byteLength(JSON.stringify(details));
  return bytes <= MAX_KEPT_DETAILS_BYTES ? { details } : { detailsBytes: bytes };
}

type Accepted = Pick<Extract<Decision, { outcome: 'Ok' }>, 'outcome' | 'state'>;

interface Refused {
  readonly outcome: Exclude<EventOutcome, 'Ok'>;
  readonly reason: string;
}

/** A decision, and the events to emit. */
interface Decided {
  readonly decision: Extract<Decision, { outcome: 'Ok' }> | Refused;
  readonly drafts: readonly EventDraft[];
}

function refuse(outcome: Exclude<EventOutcome, 'Ok'>, reason: string): Decided {
  return { decision: { outcome, reason }, drafts: [] };
}

function machineDecides(
  machine: Machine,
  instance: string,
  at: InstanceSnapshot & { readonly since: string | undefined },
  parsed: EventFile | string,
  sensor: (instance: string) => InstanceSnapshot | undefined,
): Decided {
  if (typeof parsed === 'string') return refuse('GenericError', parsed);
  if (parsed.branch !== undefined) {
    return refuse('EventNotAllowed', `the instance does not wait for branch ${parsed.branch.name}`);
  }
  const decision = machine.decide(instance, at, parsed, sensor);
  const { event, delay, since } = parsed;
  if (decision.outcome === 'TransitionNotAllowed' && since !== undefined && since === at.since) {
    // A vetoed timer is rescheduled with the same delay.
    return { decision, drafts: [{ to: instance, event, since, ...(delay && { delay }) }] };
  }
  if (decision.outcome !== 'Ok') return { decision, drafts: [] };
  const problem = eventRequestsProblem(decision.emit);
  if (problem !== undefined) return refuse(problem.outcome, problem.reason);
  return { decision, drafts: decision.emit };
}
