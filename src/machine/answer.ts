/** A tick's answers: their constructors, and the validation of what a tick returned. */
import type { EventRequest } from './decide.ts';
import type { Json } from './definition.ts';
import { durationOf } from './duration.ts';
import { areEventRequests, eventRequestsProblem, type EventDraft } from './event.ts';
import type { Branch, Join } from './fork.ts';
import { jsonProblem } from './json-problem.ts';
import { isObject } from './json-text.ts';
import { MACHINE_REFERENCE } from './state-file.ts';

/** Options of every answer. */
export interface AnswerOptions {
  /** Events for other instances, sent in the commit of the answer. */
  readonly emit?: readonly (EventRequest & Pick<EventDraft, 'delay' | 'since'>)[];
}

/** `To`: the states that the answer can lead to; `string` if the compiler does not know which. */
export type Answer<To extends string = string> = AnswerOptions &
  LeadsTo<To> &
  (
    | { readonly kind: 'done'; readonly output?: Json }
    /** `delay`: milliseconds before the successor may run. */
    | {
        readonly kind: 'next';
        readonly state: string;
        readonly payload?: Json;
        readonly delay?: number;
      }
    | { readonly kind: 'wait'; readonly payload?: Json }
    | {
        readonly kind: 'fork';
        readonly branches: Readonly<Record<string, Branch>>;
        readonly join: Join;
      }
  );

/**
 * For the compiler only. A method is compared bivariantly: a literal that is not a state of the machine is an error, and
 * `string` is accepted.
 */
interface LeadsTo<To extends string> {
  '~to'?(state: To): void;
}

/** Ends the instance; `output` is kept in the commit record. */
export function done(output?: Json, options: AnswerOptions = {}): Answer<never> {
  return { kind: 'done', ...(output !== undefined && { output }), ...options };
}

/** Continues in `state`; `payload` defaults to the current one. */
export function next<const To extends string>(
  state: To,
  payload?: Json,
  options: AnswerOptions = {},
): Answer<To> {
  return { kind: 'next', state, ...(payload !== undefined && { payload }), ...options };
}

/**
 * Continues in `state`, not before `delay` after this step has ended: milliseconds, or text like `"1.5s"`. No worker holds
 * the state meanwhile. Throws `bad-duration`.
 */
export function later<const To extends string>(
  delay: number | string,
  state: To,
  payload?: Json,
  options: AnswerOptions = {},
): Answer<To> {
  return { ...next(state, payload, options), delay: durationOf(delay) } as Answer<To>;
}

/** Keeps the instance in its state, and starts its timers. No tick runs until an event moves the instance. */
export function wait(payload?: Json, options: AnswerOptions = {}): Answer<never> {
  return { kind: 'wait', ...(payload !== undefined && { payload }), ...options };
}

/**
 * Starts an instance for each branch, and continues in the state of `join` when all have ended. The tick there gets the
 * outputs by branch name.
 */
export function fork<
  const Branches extends Readonly<Record<string, Branch>>,
  const To extends string,
>(
  branches: Branches,
  join: Join<To>,
  options: AnswerOptions = {},
): Answer<To | OwnStates<Branches>> {
  return { kind: 'fork', branches, join, ...options };
}

/** States of the branches that run in the same machine. */
type OwnStates<Branches extends Readonly<Record<string, Branch>>> = {
  [Name in keyof Branches]: Branches[Name] extends { readonly machine: string }
    ? never
    : Branches[Name]['state'];
}[keyof Branches];

const MAX_SHOWN_LENGTH = 200;

/** Validates and copies what a user's tick returned. Throws an Error that shows the value. */
export function checkAnswer(value: unknown): Answer {
  const raw = value as Partial<Record<string, unknown>> | null | undefined;
  const answer = checkKind(raw ?? {});
  if (answer === undefined) {
    throw new Error(
      `the tick must return done(), next(), later(), wait() or fork(), got ${show(value)}`,
    );
  }
  return answer;
}

function checkKind(raw: Partial<Record<string, unknown>>): Answer | undefined {
  const { kind, state, delay } = raw;
  const isState = typeof state === 'string' && state !== '';
  const json = (key: 'output' | 'payload'): Json | undefined =>
    raw[key] === undefined ? undefined : checkJson(raw[key], key);
  if (kind === 'done') return done(json('output'), checkOptions(raw));
  if (kind === 'wait') return wait(json('payload'), checkOptions(raw));
  if (kind === 'fork') return fork(...checkFork(raw), checkOptions(raw));
  if (kind !== 'next' || !isState) return undefined;
  if (delay === undefined) return next(state, json('payload'), checkOptions(raw));
  return later(delay as number, state, json('payload'), checkOptions(raw));
}

/** Becomes part of a file name, in which `~` ends it. */
const BRANCH_NAME = /^[^~]{1,100}$/s;
const MAX_BRANCHES = 1000;

function checkFork({
  branches,
  join,
}: Partial<Record<string, unknown>>): [Record<string, Branch>, Join] {
  const names = Object.keys(isObject(branches) ? branches : {});
  if (!isObject(branches) || names.length === 0 || names.length > MAX_BRANCHES) {
    const wanted = `1 to ${MAX_BRANCHES} branches: { name: { state, payload?, machine? } }`;
    throw new Error(`the tick's fork must have ${wanted}, got ${show(branches)}`);
  }
  const bad = names.find((name) => !BRANCH_NAME.test(name));
  if (bad !== undefined) {
    throw new Error(
      `the tick's fork: "${bad}" is not a valid branch name; use 1 to 100 characters, no ~`,
    );
  }
  const checked = names.map(
    (name) => [name, checkPlace(branches[name], `branch ${name}`)] as const,
  );
  // Together they have the size limit of an answer. Payloads that they inherit are counted by `forkOf`.
  const all = [Object.fromEntries(checked), checkPlace(join, 'join')] as [
    Record<string, Branch>,
    Join,
  ];
  if ('machine' in all[1])
    throw new Error("the tick's fork: join must not name a machine; it continues in the same one");
  checkJson(all, 'fork', -1);
  return all;
}

function checkPlace(value: unknown, what: string): Branch {
  const { state, payload, machine, ...more } = isObject(value) ? value : {};
  const isMachine =
    machine === undefined || (typeof machine === 'string' && MACHINE_REFERENCE.test(machine));
  if (typeof state !== 'string' || state === '' || !isMachine || Object.keys(more).length > 0) {
    throw new Error(
      `the tick's fork: ${what} must be { state, payload?, machine? }, got ${show(value)}`,
    );
  }
  return {
    state,
    ...(payload !== undefined && { payload: checkJson(payload, `payload of ${what}`) }),
    ...(machine !== undefined && { machine }),
  };
}

function checkOptions({ emit }: Partial<Record<string, unknown>>): AnswerOptions {
  if (emit === undefined) return {};
  if (!areEventRequests(emit)) {
    throw new Error(
      `the tick's emit must be a list of events [{ to, event, details? }], got ${show(emit)}`,
    );
  }
  const problem = eventRequestsProblem(emit);
  if (problem !== undefined) throw new Error(`cannot apply the tick's answer: ${problem.reason}`);
  const events = (emit as readonly EventDraft[]).map(({ to, event, details, delay, since }) => ({
    to,
    event,
    ...(details !== undefined && { details: copyOf(details) }),
    // Set by machines without a table, for their timers.
    ...(delay !== undefined && { delay }),
    ...(since !== undefined && { since }),
  }));
  return { emit: events };
}

export function show(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // A circular value, or a BigInt.
  }
  return (text ?? String(value)).slice(0, MAX_SHOWN_LENGTH);
}

/** A copy. Throws for a value that JSON cannot represent. */
function checkJson(value: unknown, what: string, level?: number): Json {
  const problem = jsonProblem(value, what, level);
  if (problem !== undefined) throw new Error(`the tick's ${problem}`);
  return copyOf(value);
}

const copyOf = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json;
