/** Events that a step is to cause: whether they can be. What is committed has to be done, so it is asked before. */
import type { EventRequest } from './decide.ts';
import { durationProblem } from './duration.ts';
import type { EventDraft } from './event.ts';
import { jsonProblem } from './json-problem.ts';
import { instanceProblem } from './name.ts';

/** So many have their place in the names of their files. */
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

/** Why these cannot all be events, if they cannot. */
export function eventRequestsProblem(
  emit: readonly EventRequest[],
):
  | { readonly outcome: 'MissingDestination' | 'InternalError'; readonly reason: string }
  | undefined {
  if (emit.length > MAX_EMITTED_EVENTS) {
    return {
      outcome: 'InternalError',
      reason: `it would cause more than ${MAX_EMITTED_EVENTS} events`,
    };
  }
  for (const { to } of emit) {
    const problem = instanceProblem(to);
    if (problem === undefined) continue;
    const reason = `it would cause an event for "${to}", which is no instance: ${problem}`;
    return { outcome: 'MissingDestination', reason };
  }
  const all = emit.map(({ details = null }) => details);
  const reason = jsonProblem(all, 'the details of what it would cause');
  return reason === undefined ? undefined : { outcome: 'InternalError', reason };
}
