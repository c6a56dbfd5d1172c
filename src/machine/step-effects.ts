/** Turns a tick's answer into the effects of its step, which go into the commit record. */
import type { Answer } from './answer.ts';
import { timersIn } from './event-batch.ts';
import type { Json, Machine } from './definition.ts';
import { emittedEvent, type EmittedEvent, type EventDraft } from './event.ts';
import { endOfBranch, forkOf } from './fork.ts';
import { invariant } from './invariant.ts';
import { parseStateName, successorName } from './name.ts';
import type { PublishedState } from './record.ts';
import { fullName, resolveState, type Registry } from './registry.ts';
import { byteLength, MAX_STATE_BYTES, formatSuccessor, type StateFile } from './state-file.ts';

export interface TickedStep {
  readonly machine: Machine;
  /** The state file's name, and what it says; `state` is the machine's, resolved. */
  readonly name: string;
  readonly file: StateFile;
  readonly state: string;
  /** As for `resolveState`: a branch may be of another machine. */
  readonly registry?: Registry;
  readonly newest?: ReadonlyMap<string, string> | undefined;
}

export interface StepEffects {
  readonly emit: readonly EmittedEvent[];
  readonly branches?: readonly PublishedState[];
  readonly next?: PublishedState;
  /** The successor waits for an event. */
  readonly rests: boolean;
}

/** Why the machine has no such state; undefined if it has one. */
function whyNotFound(machine: Machine, state: string, payload: Json): string | undefined {
  const found = machine.lookup({ state, payload });
  return found.kind === 'not-found' ? found.reason : undefined;
}

/** Does not check branches of a machine that is unknown here; the workers that know it will. */
function whyNoFork(
  { branches, join }: Extract<Answer, { kind: 'fork' }>,
  { machine, file, registry = new Map(), newest }: TickedStep,
): string | undefined {
  for (const [name, branch] of Object.entries(branches)) {
    const { state, payload = file.payload, machine: other } = branch;
    if (other === undefined) {
      const problem = whyNotFound(machine, state, payload);
      if (problem !== undefined) return `branch ${name}: ${problem}`;
    } else {
      const resolved = resolveState(registry, { state, payload, machine: other }, newest);
      if (!resolved.ok && resolved.code === 'unknown-state')
        return `branch ${name}: ${resolved.reason}`;
    }
  }
  const problem = whyNotFound(machine, join.state, join.payload ?? file.payload);
  return problem === undefined ? undefined : `join: ${problem}`;
}

/** `finished`: ISO 8601, when the step ends. Text says why the answer is not valid, which is a failed attempt. */
export function effectsOfAnswer(
  answer: Answer,
  step: TickedStep,
  finished: string,
): StepEffects | string {
  if (step.file.hook !== undefined) return effectsOfHook(answer, step, finished);
  const { machine, name, file, state } = step;
  const { instance } = parseStateName(name)!;
  const successor = successorName(name);
  const drafts: EventDraft[] = [...(answer.emit ?? [])];
  let content: string | undefined;
  let branches: readonly PublishedState[] | undefined;
  if (answer.kind === 'next') {
    const { delay, payload = file.payload } = answer;
    const notBefore =
      delay === undefined ? undefined : new Date(Date.parse(finished) + delay).toISOString();
    const problem = whyNotFound(machine, answer.state, payload);
    if (problem !== undefined) return `cannot apply the tick's next: ${problem}`;
    content = formatSuccessor(file, machine.name, { state: answer.state, payload, notBefore });
  } else if (answer.kind === 'wait') {
    if (machine.rules === undefined) {
      return `the tick answered wait(), but machine ${fullName(machine)} has no events, so nothing can end it`;
    }
    const timers = timersIn(machine, state, instance, successor);
    drafts.push(...timers);
    const { payload = file.payload } = answer;
    const since = timers[0]?.since;
    content = formatSuccessor(file, machine.name, { state, payload, since, waits: true });
  } else if (answer.kind === 'fork') {
    const problem = whyNoFork(answer, step);
    if (problem !== undefined) return `cannot apply the tick's fork: ${problem}`;
    const forked = forkOf(answer, name, file, machine.name);
    if (typeof forked === 'string') return `cannot apply the tick's fork: ${forked}`;
    ({ branches, content } = forked);
    const distinct = new Set(branches.map((one) => one.name));
    invariant(distinct.size === branches.length, 'I12: expected distinct names of branches', name);
  } else {
    const endEvents = endOfBranch(file, name, answer.output);
    if (typeof endEvents === 'string') return `the tick's ${endEvents}`;
    drafts.push(...endEvents);
  }
  invariant(
    (content === undefined) === (answer.kind === 'done'),
    'I2: expected a successor of every step but the last',
    name,
  );
  const effects = effectsOf(name, content, drafts, finished);
  if (typeof effects === 'string') return `cannot apply the tick's answer: ${effects}`;
  const rests = answer.kind === 'wait' || answer.kind === 'fork';
  return { ...effects, ...(branches && { branches }), rests };
}

/** The successor with this content, if any, and the events. Text says why there can be no such successor. */
function effectsOf(
  name: string,
  content: string | undefined,
  drafts: readonly EventDraft[],
  finished: string,
): Pick<StepEffects, 'emit' | 'next'> | string {
  const successor = successorName(name);
  if (content !== undefined && byteLength(content) > MAX_STATE_BYTES) {
    return `${successor} would be larger than ${MAX_STATE_BYTES} bytes`;
  }
  return {
    emit: drafts.map((one, index) => emittedEvent(one, index, { state: name, finished })),
    ...(content !== undefined && { next: { name: successor, content } }),
  };
}

/** The instance stays in the state that it has moved to, whose timers start. */
function effectsOfHook(
  answer: Answer,
  { machine, name, file, state }: TickedStep,
  finished: string,
): StepEffects | string {
  // A command that prints no answer goes on in the state.
  const stays =
    answer.kind === 'wait' ||
    (answer.kind === 'next' && answer.state === state && answer.delay === undefined);
  if (!stays) {
    return `cannot apply the answer of hook ${file.hook!.run}: expected nothing or wait(), got ${answer.kind}`;
  }
  const successor = successorName(name);
  const { payload = file.payload } = answer;
  const { instance } = parseStateName(name)!;
  const timers = timersIn(machine, state, instance, successor);
  const since = timers[0]?.since;
  const content = formatSuccessor(file, machine.name, { state, payload, since });
  const effects = effectsOf(name, content, [...(answer.emit ?? []), ...timers], finished);
  if (typeof effects === 'string') {
    return `cannot apply the answer of hook ${file.hook!.run}: ${effects}`;
  }
  return { ...effects, rests: machine.lookup({ state, payload }).kind === 'waiting' };
}
