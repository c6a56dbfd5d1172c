/** Checks of input that are the same for every engine. */
import { durationProblem } from '../machine/duration.ts';
import { UserError } from '../machine/errors.ts';
import { eventIdProblem, formatEvent, parseEvent } from '../machine/event.ts';
import { jsonProblem } from '../machine/json-problem.ts';
import { machineNameProblem } from '../machine/machine.ts';
import { instanceProblem, parseStateName } from '../machine/name.ts';
import {
  machineNamed,
  parseStateFile,
  formatSuccessor,
  type ParsedStateFile,
  type StateFile,
} from '../machine/state-file.ts';
import type { ConfigurationName, NewEvent, NewPlace, NewState, Page } from './engine.ts';

/** Name and version together: a file name may have 255 bytes. */
const MAX_CONFIGURATION_NAME_LENGTH = 200;

/** Throws `bad-configuration-name`. */
export function checkConfigurationName({ name, version }: ConfigurationName): void {
  const problem =
    machineNameProblem(name) ??
    (machineNameProblem(version) && `"${version}" is not a version; write it like 1.2`) ??
    (name.length + version.length > MAX_CONFIGURATION_NAME_LENGTH
      ? `name and version have more than ${MAX_CONFIGURATION_NAME_LENGTH} characters`
      : undefined);
  if (problem !== undefined) throw new UserError('bad-configuration-name', problem);
}

const encoder = new TextEncoder();

export interface Candidate {
  readonly name: string;
  /** Its origin, for messages. */
  readonly source: string;
  readonly bytes: Uint8Array;
}

/** Throws `bad-state`, with all problems of all files. */
export function checkStates(states: readonly NewState[]): void {
  const problems = problemsOf(states.map(({ name, bytes }) => ({ name, source: name, bytes })));
  if (problems.length > 0) throw new UserError('bad-state', problems.join('\n  '), { problems });
}

/** All problems for which a worker would refuse the files later, one sentence each, with line and column. */
export function problemsOf(candidates: readonly Candidate[]): string[] {
  const problems: string[] = [];
  const sources = new Map<string, string>();
  // Instances that begin alike share one content, which is parsed once.
  let last: { readonly bytes: Uint8Array; readonly parsed: ParsedStateFile } | undefined;
  for (const { name, source, bytes } of candidates) {
    if (last?.bytes !== bytes) last = { bytes, parsed: parseStateFile(bytes) };
    const { parsed } = last;
    const twin = sources.get(name);
    sources.set(name, source);
    const instance = parseStateName(name)?.instance;
    const badName =
      instance === undefined
        ? 'the name must be INSTANCE.state or INSTANCE.state-N'
        : instanceProblem(instance);
    if (badName !== undefined) problems.push(`${source}: ${badName}`);
    else if (twin !== undefined) {
      problems.push(
        `${source}: ${twin === source ? 'it is given twice' : `${twin} has the same name`}`,
      );
    }
    if (!parsed.ok) {
      const place = parsed.line === undefined ? '' : `:${parsed.line}:${parsed.column ?? 1}`;
      problems.push(`${source}${place}: ${parsed.reason}`);
    }
  }
  return problems;
}

/** Any state file: what of a place is wrong without one is wrong with every one. */
const ANY_STATE: StateFile = { state: 'any', payload: {} };

/** Throws `bad-state` if the successor of `parent` would not be a state file. */
export function checkPlace(to: NewPlace, parent: StateFile = ANY_STATE): void {
  const { state, payload = parent.payload } = to;
  const badPayload = to.payload === undefined ? undefined : jsonProblem(to.payload, 'payload');
  const parsed =
    badPayload === undefined
      ? parseStateFile(
          encoder.encode(formatSuccessor(parent, machineNamed(parent), { state, payload })),
        )
      : { ok: false as const, reason: badPayload };
  if (!parsed.ok) throw new UserError('bad-state', `cannot place in this state: ${parsed.reason}`);
}

/** Throws `bad-page`. */
export function checkPage({ after, limit }: Page): void {
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new UserError('bad-page', `expected a positive whole number as limit, got ${limit}`);
  if (after !== undefined && typeof after !== 'string')
    throw new UserError('bad-page', `expected a text as after, got ${typeof after}`);
}

/** ISO 8601. Throws `bad-page`. */
export function checkTime(since: string | undefined): void {
  if (since !== undefined && Number.isNaN(Date.parse(since)))
    throw new UserError('bad-page', `expected a time in ISO 8601 as since, got "${since}"`);
}

/** Throws `bad-event`, with the first problem. */
export function checkEvents(events: readonly NewEvent[]): void {
  for (const event of events) checkEvent(event);
}

function checkEvent({ to, id, file }: NewEvent): void {
  const { delay = 0, grace = 0, details = null } = file;
  const badInstance = instanceProblem(to);
  const badId = eventIdProblem(id);
  const badDetails = jsonProblem(details, 'details');
  const parsed = badDetails ?? (badId === undefined ? parseEvent(formatEvent(file, id)) : badId);
  const problem =
    (badInstance && `"${to}" is no instance: ${badInstance}`) ??
    badId ??
    (typeof parsed === 'string' ? `this is no event: ${parsed}` : undefined) ??
    durationProblem(delay, 0) ??
    durationProblem(grace, 0);
  if (problem !== undefined) throw new UserError('bad-event', problem);
}
