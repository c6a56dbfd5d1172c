/** Validates the events that a step is to send. Done before the commit, since everything committed must be carried out. */
import type { EventRequest } from './decide.ts';
import { durationProblem } from './duration.ts';
import type { EventDraft } from './event.ts';
import { jsonProblem } from './json-problem.ts';
import { instanceProblem } from './name.ts';

/** The index in an event's id has three digits. */
const MAX_EMITTED_EVENTS = 1000;

export function areEventRequests(value: unknown): value is readonly EventRequest[] {
  const isRequest = (one: Partial<EventDraft> | null | undefined): boolean =>
    typeof one?.to === 'string' &&
    typeof one.event === 'string' &&
    one.event !== '' &&
    isDelay(one.delay) &&
    ['string', 'undefined'].includes(typeof one.since);
  return Array.isArray(value) && value.every(isRequest);
}

function isDelay(delay: unknown): boolean {
  return (
    delay === undefined || (typeof delay === 'number' && durationProblem(delay, 0) === undefined)
  );
}

/** Why not all of these can be sent, or undefined. */
export function eventRequestsProblem(
  emit: readonly EventRequest[],
):
  | { readonly outcome: 'MissingDestination' | 'InternalError'; readonly reason: string }
  | undefined {
  if (emit.length > MAX_EMITTED_EVENTS) {
    return {
      outcome: 'InternalError',
      reason: `more than ${MAX_EMITTED_EVENTS} events in one step`,
    };
  }
  for (const { to } of emit) {
    const problem = instanceProblem(to);
    if (problem === undefined) continue;
    const reason = `an event for "${to}", which is not a valid instance: ${problem}`;
    return { outcome: 'MissingDestination', reason };
  }
  const all = emit.map(({ details = null }) => details);
  const reason = jsonProblem(all, 'the details of the events');
  return reason === undefined ? undefined : { outcome: 'InternalError', reason };
}
