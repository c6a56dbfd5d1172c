/** Checks of input that are the same for every engine. */
import { durationProblem } from '../machine/duration.ts';
import { UserError } from '../machine/errors.ts';
import { eventIdProblem } from '../machine/event-id.ts';
import { formatEvent, parseEvent } from '../machine/event.ts';
import { jsonProblem } from '../machine/json-problem.ts';
import { machineNameProblem } from '../machine/machine.ts';
import { instanceProblem, parseStateName } from '../machine/name.ts';
import { parseStateFile, type ParsedStateFile } from '../machine/state-file.ts';
import type { ConfigurationName, NewEvent, NewState } from './engine.ts';

/** Characters: a file name may have 255 bytes. */
const LONGEST = 200;

/** Throws `bad-configuration-name`. */
export function checkConfigurationName({ name, version }: ConfigurationName): void {
  const problem =
    machineNameProblem(name) ??
    (machineNameProblem(version) && `"${version}" is no version; write it like 1.2`) ??
    (name.length + version.length > LONGEST
      ? `name and version have more than ${LONGEST} characters`
      : undefined);
  if (problem !== undefined) throw new UserError('bad-configuration-name', problem);
}

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
        ? 'the name has to be INSTANCE.state or INSTANCE.state-N'
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
