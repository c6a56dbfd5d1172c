/** What waits for a join, applied in order: one step, with the outputs of the branches that have ended. */
import {
  appliedOf,
  bytesOf,
  MAX_RECORDED_EVENTS_BYTES,
  type EventBatch,
  type EventBatchInput,
} from './event-batch.ts';
import { parseEvent, type EventFile } from './event.ts';
import { isOpen } from './join.ts';
import { parseStateName, successorName } from './name.ts';
import type { AppliedEvent } from './record.ts';
import type { Joins } from './state-file.ts';
import { formatSuccessor } from './successor.ts';

/** After the last branch's nothing more is applied: what else there is, is for the state in which it goes on. */
export function applyJoinEvents({
  machine,
  name,
  file,
  state,
  events: all,
}: EventBatchInput): EventBatch {
  const events: AppliedEvent[] = [];
  const seen = new Set<string>();
  let join = file.join!;
  let bytes = 0;
  for (const pending of all) {
    if (!isOpen(join)) break;
    if (seen.has(pending.id)) continue;
    seen.add(pending.id);
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
    if (typeof after !== 'string') join = after;
  }
  const next = { state, payload: file.payload, join };
  return {
    events,
    emit: [],
    next: { name: successorName(name), content: formatSuccessor(file, machine.name, next) },
    rests: isOpen(join),
    hasLooked: false,
  };
}

/** The join with this end in it, or why it is none. */
function joined(join: Joins, { branch, details }: EventFile): Joins | string {
  if (branch === undefined) return 'it waits for its branches';
  const { name, ended } = branch;
  const one = Object.hasOwn(join, name) ? join[name]! : undefined;
  if (one === undefined || one.instance !== parseStateName(ended)?.instance) {
    return `it waits for no branch ${name} that ends with ${ended}`;
  }
  if (one.ended !== undefined) return `its branch ${name} has ended with ${one.ended}`;
  return { ...join, [name]: { ...one, ended, ...(details !== undefined && { output: details }) } };
}
