/** Applies the events of an instance that waits for its branches: one step, with the outputs of those that have ended. */
import {
  appliedOf,
  bytesOf,
  MAX_RECORDED_EVENTS_BYTES,
  type EventBatch,
  type EventBatchInput,
} from './event-batch.ts';
import { parseEvent, parseEventName, type EventFile } from './event.ts';
import { invariant } from './invariant.ts';
import { countEnded, isOpen } from './join.ts';
import { parseStateName, successorName } from './name.ts';
import type { AppliedEvent } from './record.ts';
import type { Joins } from './state-file.ts';
import { formatSuccessor } from './successor.ts';

/** Stops after the end of the last branch (I12): later events are for the state in which the instance continues. */
export function applyJoinEvents({
  machine,
  name,
  file,
  state,
  events: all,
}: EventBatchInput): EventBatch {
  const events: AppliedEvent[] = [];
  /** Keys: see `applyEvents`. */
  const seen = new Set<string>();
  let join = file.join!;
  let bytes = 0;
  let joinedBranches = 0;
  for (const pending of all) {
    if (!isOpen(join)) break;
    const { key } = parseEventName(pending.file)!;
    if (seen.has(key)) continue;
    seen.add(key);
    const parsed = parseEvent(pending.content);
    const after = typeof parsed === 'string' ? parsed : joined(join, parsed);
    const refusal = typeof parsed === 'string' ? 'GenericError' : 'EventNotAllowed';
    const decision =
      typeof after === 'string'
        ? ({ outcome: refusal, reason: after } as const)
        : ({ outcome: 'Ok', state } as const);
    const applied = appliedOf(pending, parsed, state, decision);
    bytes += bytesOf(applied);
    if (events.length > 0 && bytes > MAX_RECORDED_EVENTS_BYTES) break;
    events.push(applied);
    if (typeof after === 'string') continue;
    join = after;
    joinedBranches += 1;
  }
  const isCounted = countEnded(join) === countEnded(file.join!) + joinedBranches;
  invariant(isCounted, 'I12: expected one end of a branch for each event that was applied', name);
  const next = { state, payload: file.payload, join };
  return {
    events,
    emit: [],
    next: { name: successorName(name), content: formatSuccessor(file, machine.name, next) },
    rests: isOpen(join),
    hasLooked: false,
  };
}

/** The join with this branch's end recorded, or the reason why the event is refused. */
function joined(join: Joins, { branch, details }: EventFile): Joins | string {
  if (branch === undefined) return 'the instance waits for its branches';
  const { name, ended } = branch;
  const one = Object.hasOwn(join, name) ? join[name]! : undefined;
  if (one === undefined || one.instance !== parseStateName(ended)?.instance) {
    return `the instance has no branch ${name} that ends with ${ended}`;
  }
  if (one.ended !== undefined) return `branch ${name} has ended with ${one.ended}`;
  return { ...join, [name]: { ...one, ended, ...(details !== undefined && { output: details }) } };
}
