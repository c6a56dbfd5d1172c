/** All that waits for one instance, applied in order: one step, with what became of each event in its record. */
import type { Decision } from './decide.ts';
import type { Json, Machine } from './definition.ts';
import { emissionProblem } from './emission.ts';
import {
  emitted,
  parseEvent,
  type Emitted,
  type EventFile,
  type Outcome,
  type Planned,
} from './event.ts';
import { successorName } from './name.ts';
import { MAX_KEPT_DETAILS_BYTES, type AppliedEvent } from './record.ts';
import { byteLength, MAX_STATE_BYTES, type StateFile } from './state-file.ts';
import { formatSuccessor } from './successor.ts';
import type { Reading } from './table.ts';

/** An event as it was found. */
export interface Arrived {
  /** Its file's name. */
  readonly file: string;
  readonly id: string;
  readonly content: string;
}

export interface BurstInput {
  readonly machine: Machine;
  readonly instance: string;
  /** The state file's name, and what it says; `state` is the machine's, resolved. */
  readonly name: string;
  readonly file: StateFile;
  readonly state: string;
  /** In order. */
  readonly events: readonly Arrived[];
  /** Where others are, as of the beginning of this cycle. */
  readonly sensor: (instance: string) => Reading | undefined;
  /** ISO 8601: when this step ends. */
  readonly finished: string;
}

/** What goes into the record of the step. */
export interface Burst {
  readonly events: readonly AppliedEvent[];
  readonly emit: readonly Emitted[];
  readonly next: { readonly name: string; readonly content: string };
  /** Nothing runs where it leads, until an event comes. */
  readonly rests: boolean;
  /** At other instances, as of this cycle: in a later one it would be wrong. */
  readonly hasLooked: boolean;
}

/** Events that one step takes up. */
export const MOST_EVENTS = 64;
/** Of what one record says of its events: originators and reasons are as long as their senders made them. */
export const MOST_BYTES: number = MAX_STATE_BYTES;
const MOST_REASON = 10_000;

const TOO_LARGE = `the instance's state file would be larger than ${MAX_STATE_BYTES} bytes`;

/**
 * Without events it only sets the timers of where the instance is. After the first event only those are applied
 * that look at nobody and cause no event: what others do in this cycle cannot be seen before the next one, nor may they
 * be told sooner. So a burst comes to what one event a cycle would.
 */
export function applyBurst(input: BurstInput): Burst {
  const burst = apply(input, machineDecides);
  if (byteLength(burst.next.content) <= MAX_STATE_BYTES) return burst;
  const first = { ...input, events: input.events.slice(0, 1) };
  if (input.events.length > 1) return applyBurst(first);
  return apply(first, () => refuse('InternalError', TOO_LARGE));
}

function apply(input: BurstInput, decide: typeof machineDecides): Burst {
  const { machine, instance, name, file, finished } = input;
  const next = successorName(name);
  const events: AppliedEvent[] = [];
  const planned: Planned[] = [];
  const seen = new Set<string>();
  let { state, hasMoved }: { state: string; hasMoved: boolean } = { ...input, hasMoved: false };
  let payload: Json = file.payload;
  let hasLooked = false;
  let bytes = 0;
  for (const arrived of input.events) {
    if (seen.has(arrived.id)) continue;
    seen.add(arrived.id);
    const parsed = parseEvent(arrived.content);
    const since = hasMoved ? next : file.since;
    let looks = false;
    const decided = decide(machine, instance, { state, payload, since }, parsed, (other) => {
      looks = true;
      return input.sensor(other);
    });
    const { decision } = decided;
    const applied = appliedOf(arrived, parsed, state, decision);
    bytes += bytesOf(applied);
    const isForLater = looks || decided.planned.length > 0 || bytes > MOST_BYTES;
    if (events.length > 0 && isForLater) break;
    hasLooked ||= looks;
    planned.push(...decided.planned);
    events.push(applied);
    if (decision.outcome !== 'Ok') continue;
    ({ state, payload } = decision);
    hasMoved ||= decision.moved;
  }
  const isNew = hasMoved || file.since === undefined;
  const timers = isNew ? timersIn(machine, state, instance, next) : [];
  planned.push(...timers);
  const since = isNew ? timers[0]?.since : file.since;
  const waits = file.waits === true && !hasMoved;
  const content = formatSuccessor(file, machine.name, { state, payload, since, waits });
  return {
    rests: waits || machine.place({ state, payload }).kind === 'waiting',
    events,
    emit: planned.map((one, index) => emitted(one, index, { state: name, finished })),
    next: { name: next, content },
    hasLooked,
  };
}

/** What an instance is to get unless it has left `state` by then: it comes to be there in the state file `next`. */
export function timersIn(
  { timers }: Machine,
  state: string,
  instance: string,
  next: string,
): Planned[] {
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
  { file, id }: Arrived,
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
      : { reason: decision.reason.slice(0, MOST_REASON) }),
  };
}

function keptDetails(details: Json): Pick<AppliedEvent, 'details' | 'detailsBytes'> {
  const bytes = byteLength(JSON.stringify(details));
  return bytes <= MAX_KEPT_DETAILS_BYTES ? { details } : { detailsBytes: bytes };
}

type Accepted = Pick<Extract<Decision, { outcome: 'Ok' }>, 'outcome' | 'state'>;

interface Refused {
  readonly outcome: Exclude<Outcome, 'Ok'>;
  readonly reason: string;
}

/** And the events that it causes. */
interface Decided {
  readonly decision: Extract<Decision, { outcome: 'Ok' }> | Refused;
  readonly planned: readonly Planned[];
}

function refuse(outcome: Exclude<Outcome, 'Ok'>, reason: string): Decided {
  return { decision: { outcome, reason }, planned: [] };
}

function machineDecides(
  machine: Machine,
  instance: string,
  at: Reading & { readonly since: string | undefined },
  parsed: EventFile | string,
  sensor: (instance: string) => Reading | undefined,
): Decided {
  if (typeof parsed === 'string') return refuse('GenericError', parsed);
  if (parsed.branch !== undefined) {
    return refuse('EventNotAllowed', `it does not wait for its branch ${parsed.branch.name}`);
  }
  const decision = machine.decide(instance, at, parsed, sensor);
  const { event, delay, since } = parsed;
  if (decision.outcome === 'TransitionNotAllowed' && since !== undefined && since === at.since) {
    // A timer that is vetoed comes again: not now is not never.
    return { decision, planned: [{ to: instance, event, since, ...(delay && { delay }) }] };
  }
  if (decision.outcome !== 'Ok') return { decision, planned: [] };
  const problem = emissionProblem(decision.emit);
  if (problem !== undefined) return refuse(problem.outcome, problem.reason);
  return { decision, planned: decision.emit };
}
