/**
 * Fork and join: one instance leads to several at once, and goes on when each of them has ended. What a fork makes is
 * named by the step that forks, so that an instance may fork again and again, and a branch may fork too.
 */
import type { Json } from './definition.ts';
import type { EventDraft } from './event.ts';
import { jsonProblem } from './json-problem.ts';
import { branchName, instanceProblem, parseStateName, stateName } from './name.ts';
import { byteLength, MAX_STATE_BYTES, type Joined, type StateFile } from './state-file.ts';
import { formatSuccessor } from './successor.ts';

/** How a branch begins; without a `payload` with the one that is there, without a `machine` in the same. */
export interface Branch {
  readonly state: string;
  readonly payload?: Json;
  /** NAME or NAME:VERSION. */
  readonly machine?: string;
}

/** Where the instance goes on when all branches have ended; without a `payload`, with the one it has. */
export interface Join<To extends string = string> {
  readonly state: To;
  readonly payload?: Json;
}

/** In a state file: how far down a branch's output is put. */
const OUTPUT_LEVEL = 4;
/** Bytes that each output may have at least. */
const MIN_OUTPUT_BYTES = 256;
/** Of all that a fork begins: it is in one record, where each quote takes two bytes, and records are read whole. */
const MAX_FORK_BYTES = 4 * MAX_STATE_BYTES;
/** As long as any number of a step. */
const LAST_STEP = Number.MAX_SAFE_INTEGER;

export interface Forked {
  readonly branches: readonly { readonly name: string; readonly content: string }[];
  /** The successor: what it says. */
  readonly content: string;
}

/** A sentence on why it cannot be, or what it leads to. `name`, `file`: of the state that forks. */
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
    if (problem !== undefined) return `no branch can be called "${one.branch}": ${problem}`;
  }
  const joinedBy = (more: (own: string) => Partial<Joined>): string =>
    formatSuccessor(file, machineName, {
      state: join.state,
      payload: joinPayload,
      join: Object.fromEntries(
        begun.map((one) => [one.branch, { instance: one.instance, ...more(one.instance) }]),
      ),
    });
  // What it will be when all have ended has to be a state file too: they share what room it has.
  const full = joinedBy((own) => ({ ended: stateName(own, LAST_STEP), output: 0 }));
  const left = MAX_STATE_BYTES - byteLength(JSON.stringify(JSON.parse(full)));
  const room = Math.floor(left / begun.length);
  if (room < MIN_OUTPUT_BYTES)
    return `${begun.length} branches: the join has no room for their outputs`;
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
    return `its branches' state files would have ${all} bytes in all; ${MAX_FORK_BYTES} are allowed: give each a payload of its own`;
  }
  return { branches: files, content: joinedBy(() => ({})) };
}

/** What tells the join that a branch has ended with the state file `name`; nothing for what is no branch. */
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
    ? `output is larger than ${branch.room} bytes, which is what the join has room for`
    : [{ ...told, details: output }];
}
