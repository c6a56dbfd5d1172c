/**
 * Fork and join: an instance starts several others, its branches, and continues when all have ended, with their outputs. A
 * branch is named after the step that forks, so that an instance may fork repeatedly, and a branch may fork too.
 */
import type { Json } from './definition.ts';
import { parseEvent, parseEventName, type EventDraft, type EventFile } from './event.ts';
import { jsonProblem } from './json-problem.ts';
import { branchName, instanceProblem, parseStateName, stateName, successorName } from './name.ts';
import {
  byteLength,
  MAX_STATE_BYTES,
  formatSuccessor,
  type Joined,
  type StateFile,
  type Joins,
} from './state-file.ts';
import {
  appliedOf,
  bytesOf,
  MAX_RECORDED_EVENTS_BYTES,
  type EventBatch,
  type EventBatchInput,
} from './event-batch.ts';
import { invariant } from './invariant.ts';
import type { AppliedEvent } from './record.ts';

/** The start of a branch. `payload` and `machine` default to those of the instance that forks. */
export interface Branch {
  readonly state: string;
  readonly payload?: Json;
  /** NAME or NAME:VERSION. */
  readonly machine?: string;
}

/** Where the instance continues when all branches have ended. `payload` defaults to the current one. */
export interface Join<To extends string = string> {
  readonly state: To;
  readonly payload?: Json;
}

/** Nesting level of a branch's output in a state file. */
const OUTPUT_LEVEL = 4;
/** A fork must leave so much room for each output. */
const MIN_OUTPUT_BYTES = 256;
/** Of all branches' state files: they are in one record, where each quote takes two bytes, and records are read whole. */
const MAX_FORK_BYTES = 4 * MAX_STATE_BYTES;
/** No step number is longer. */
const LAST_STEP = Number.MAX_SAFE_INTEGER;

export interface Forked {
  readonly branches: readonly { readonly name: string; readonly content: string }[];
  /** The successor's content. */
  readonly content: string;
}

/** The branches and the successor, or a sentence on why the fork is not valid. `name`, `file`: of the state that forks. */
export function forkOf(
  { branches, join }: { readonly branches: Readonly<Record<string, Branch>>; readonly join: Join },
  name: string,
  file: StateFile,
  machineName: string,
): Forked | string {
  const { payload: joinPayload = file.payload } = join;
  const { instance, step } = parseStateName(name)!;
  const begun = Object.entries(branches).map(([branch, is]) => {
    return { branch, is, instance: branchName(instance, step, branch) };
  });
  for (const one of begun) {
    const problem = instanceProblem(one.instance);
    if (problem !== undefined) return `"${one.branch}" is not a valid branch name: ${problem}`;
  }
  const joinedBy = (more: (own: string) => Partial<Joined>): string =>
    formatSuccessor(file, machineName, {
      state: join.state,
      payload: joinPayload,
      join: Object.fromEntries(
        begun.map((one) => [one.branch, { instance: one.instance, ...more(one.instance) }]),
      ),
    });
  // With all outputs, the join must still fit into a state file: the branches share the rest of its size.
  const full = joinedBy((own) => ({ ended: stateName(own, LAST_STEP), output: 0 }));
  const left = MAX_STATE_BYTES - byteLength(JSON.stringify(JSON.parse(full)));
  const room = Math.floor(left / begun.length);
  if (room < MIN_OUTPUT_BYTES)
    return `${begun.length} branches leave no room for their outputs in the join`;
  const files = begun.map(({ branch, is, instance: own }) => {
    const { state, payload = file.payload, machine = file.machine } = is;
    const parent = { ...file, branch: { of: instance, name: branch, room } };
    const whose = machine === undefined ? parent : { ...parent, machine };
    return {
      name: stateName(own, 0),
      content: formatSuccessor(whose, machineName, { state, payload }),
    };
  });
  const large = files.find(({ content }) => byteLength(content) > MAX_STATE_BYTES);
  if (large !== undefined) return `${large.name} would be larger than ${MAX_STATE_BYTES} bytes`;
  const all = files.reduce((bytes, { content }) => bytes + byteLength(content), 0);
  if (all > MAX_FORK_BYTES) {
    return `its branches' state files would have ${all} bytes, more than ${MAX_FORK_BYTES}; give each branch a payload of its own`;
  }
  return { branches: files, content: joinedBy(() => ({})) };
}

/** The event that tells the join that a branch has ended with the state file `name`. Empty if the instance is not a branch. */
export function endOfBranch(
  { branch }: StateFile,
  name: string,
  output: Json | undefined,
): EventDraft[] | string {
  if (branch === undefined) return [];
  const told = { to: branch.of, event: 'branch ended', branch: { name: branch.name, ended: name } };
  if (output === undefined) return [told];
  const problem = jsonProblem(output, 'output', OUTPUT_LEVEL);
  if (problem !== undefined) return problem;
  return byteLength(JSON.stringify(output)) > branch.room
    ? `output is larger than ${branch.room} bytes, the limit for each branch of this fork`
    : [{ ...told, details: output }];
}

/** True while a branch that the state file records has not ended; no tick runs until then. */
export function isOpen(join: Joins | undefined): boolean {
  return Object.values(join ?? {}).some(({ ended }) => ended === undefined);
}

/** Number of branches that have ended. */
function countEnded(join: Joins): number {
  let count = 0;
  for (const branch in join) if (join[branch]!.ended !== undefined) count += 1;
  return count;
}

/** By branch; null for a branch without an output. */
export function outputsOf(join: Joins | undefined): Record<string, Json> {
  const outputs = Object.entries(join ?? {}).map(([name, { output = null }]) => [name, output]);
  return Object.fromEntries(outputs) as Record<string, Json>;
}

/**
 * Applies the events of an instance that waits for its branches: one step, with the outputs of those that have ended. Stops
 * after the end of the last branch (I12): later events are for the state in which the instance continues.
 */
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
