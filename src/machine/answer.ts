/** What a tick may answer. */
import type { EventRequest } from './decide.ts';
import type { Json } from './definition.ts';
import { durationOf } from './duration.ts';
import { areEventRequests, eventRequestsProblem } from './event-request.ts';
import type { EventDraft } from './event.ts';
import type { Branch, Join } from './fork.ts';
import { jsonProblem } from './json-problem.ts';
import { isObject } from './json-text.ts';
import { MACHINE_REFERENCE } from './state-file.ts';

/** What any answer may do besides. */
export interface AnswerOptions {
  /** Events for other instances, in the same commit as the answer. */
  readonly emit?: readonly (EventRequest & Pick<EventDraft, 'delay' | 'since'>)[];
}

/** `To`: the states that it may lead to; a text whose value is not known may be any. */
export type Answer<To extends string = string> = AnswerOptions &
  LeadsTo<To> &
  (
    | { readonly kind: 'done'; readonly output?: Json }
    /** `delay`: milliseconds before which the successor is not run. */
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
 * For the compiler only. As a method it is compared both ways: a name that no state of the machine has is none of them, and
 * `string` may be one.
 */
interface LeadsTo<To extends string> {
  '~to'?(state: To): void;
}

/** The instance is at its end; `output` is kept in the commit record. */
export function done(output?: Json, options: AnswerOptions = {}): Answer<never> {
  return { kind: 'done', ...(output !== undefined && { output }), ...options };
}

/** The instance goes on in `state`; without a `payload`, with the one it has. */
export function next<const To extends string>(
  state: To,
  payload?: Json,
  options: AnswerOptions = {},
): Answer<To> {
  return { kind: 'next', state, ...(payload !== undefined && { payload }), ...options };
}

/**
 * The instance goes on in `state`, `delay` after this step: milliseconds, or as `"1.5s"`. A worker does not keep it
 * meanwhile. Throws `bad-duration`.
 */
export function later<const To extends string>(
  delay: number | string,
  state: To,
  payload?: Json,
  options: AnswerOptions = {},
): Answer<To> {
  return { ...next(state, payload, options), delay: durationOf(delay) } as Answer<To>;
}

/** The instance stays in its state, and nothing runs there until an event moves it; its timers begin. */
export function wait(payload?: Json, options: AnswerOptions = {}): Answer<never> {
  return { kind: 'wait', ...(payload !== undefined && { payload }), ...options };
}

/**
 * Begins an instance for each branch, and goes on in the state of `join` when all of them have ended: its tick gets their
 * outputs by their names.
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

/** Of branches in the same machine. */
type OwnStates<Branches extends Readonly<Record<string, Branch>>> = {
  [Name in keyof Branches]: Branches[Name] extends { readonly machine: string }
    ? never
    : Branches[Name]['state'];
}[keyof Branches];

const MAX_SHOWN_LENGTH = 200;

/** What a user's tick returned, if it is an answer. Throws an Error that says what it is instead. */
export function checkAnswer(value: unknown): Answer {
  const raw = value as Partial<Record<string, unknown>> | null | undefined;
  const answer = checkKind(raw ?? {});
  if (answer === undefined) {
    throw new Error(
      `the tick answered ${show(value)}; return what done, next, later, wait or fork make of it`,
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

/** A file's name has room for no longer one, and `~` is what ends it there. */
const BRANCH_NAME = /^[^~]{1,100}$/s;
const MAX_BRANCHES = 1000;

function checkFork({
  branches,
  join,
}: Partial<Record<string, unknown>>): [Record<string, Branch>, Join] {
  const names = Object.keys(isObject(branches) ? branches : {});
  if (!isObject(branches) || names.length === 0 || names.length > MAX_BRANCHES) {
    const wanted = `1 to ${MAX_BRANCHES} branches: { name: { state, payload?, machine? } }`;
    throw new Error(`the tick's fork has to have ${wanted}, not ${show(branches)}`);
  }
  const bad = names.find((name) => !BRANCH_NAME.test(name));
  if (bad !== undefined) {
    throw new Error(`the tick's fork: "${bad}" is no branch; names have 1 to 100 characters, no ~`);
  }
  const checked = names.map(
    (name) => [name, checkPlace(branches[name], `branch ${name}`)] as const,
  );
  // Together they may be as large as any other answer; what they take over from the instance `forkOf` counts.
  const all = [Object.fromEntries(checked), checkPlace(join, 'join')] as [
    Record<string, Branch>,
    Join,
  ];
  if ('machine' in all[1]) throw new Error("the tick's fork: the join is in the same machine");
  checkJson(all, 'fork', -1);
  return all;
}

function checkPlace(value: unknown, what: string): Branch {
  const { state, payload, machine, ...more } = isObject(value) ? value : {};
  const isMachine =
    machine === undefined || (typeof machine === 'string' && MACHINE_REFERENCE.test(machine));
  if (typeof state !== 'string' || state === '' || !isMachine || Object.keys(more).length > 0) {
    throw new Error(
      `the tick's fork: ${what} is ${show(value)}, not { state, payload?, machine? }`,
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
      `the tick's emit is ${show(emit)}; it has to be a list of events: [{ to, event, details? }]`,
    );
  }
  const problem = eventRequestsProblem(emit);
  if (problem !== undefined) throw new Error(`the tick's answer cannot be: ${problem.reason}`);
  const events = (emit as readonly EventDraft[]).map(({ to, event, details, delay, since }) => ({
    to,
    event,
    ...(details !== undefined && { details: copyOf(details) }),
    // Those of timers, which machines set that are not tables.
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
    // A cycle, or a BigInt.
  }
  return (text ?? String(value)).slice(0, MAX_SHOWN_LENGTH);
}

/** A copy that JSON can hold, whole. */
function checkJson(value: unknown, what: string, level?: number): Json {
  const problem = jsonProblem(value, what, level);
  if (problem !== undefined) throw new Error(`the tick's ${problem}`);
  return copyOf(value);
}

const copyOf = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json;
