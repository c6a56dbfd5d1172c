/** The machines of a worker, and how a state file's machine and state are resolved. */
import type { Machine, RunnableActivity } from './definition.ts';
import { UserError } from './errors.ts';
import { isOpen } from './fork.ts';
import type { StateFile } from './state-file.ts';

/** By name; the newest version first. */
export type Registry = ReadonlyMap<string, readonly Machine[]>;

export type Resolved =
  | {
      readonly ok: true;
      readonly kind: 'runnable';
      readonly machine: Machine;
      readonly state: string;
      readonly activity: RunnableActivity;
    }
  /** No tick runs: the instance waits for an event, or is at its end. */
  | {
      readonly ok: true;
      readonly kind: 'waiting' | 'terminal';
      readonly machine: Machine;
      readonly state: string;
    }
  | {
      readonly ok: false;
      readonly code: 'unknown-machine' | 'unknown-state' | 'no-events' | 'other-definition';
      readonly reason: string;
    };

/** `files`: the files of the machines, for messages. Throws `duplicate-machine`. */
export function createRegistry(
  machines: readonly Machine[],
  files: ReadonlyMap<Machine, string> = new Map(),
): Registry {
  const registry = new Map<string, Machine[]>();
  for (const machine of machines) {
    const versions = registry.get(machine.name) ?? [];
    const twin = versions.find((other) => other.version === machine.version);
    if (twin !== undefined) {
      const from = [twin, machine].map((one) => files.get(one) ?? 'Flockwork itself').join(' and ');
      const where = files.size === 0 ? '' : `, from ${from}`;
      const message = `there are two machines ${fullName(machine)}${where}; rename one, or change its version`;
      throw new UserError('duplicate-machine', message, { machine: fullName(machine) });
    }
    registry.set(
      machine.name,
      [...versions, machine].sort((a, b) => compareVersions(b, a)),
    );
  }
  return registry;
}

export function machineNames(registry: Registry): string[] {
  return [...registry.values()].flat().map(fullName).sort();
}

/** Approximate length of the states' names in a token: tokens must stay small. */
const MAX_TOKEN_STATES_LENGTH = 2000;

/** States by full name, of as many machines as fit into a token; without machines that have no list of states. */
export function machineStates(registry: Registry): Record<string, string[]> {
  const states: Record<string, string[]> = {};
  let left = MAX_TOKEN_STATES_LENGTH;
  for (const machine of [...registry.values()].flat()) {
    const known = [...machine.kinds.keys()];
    left -= JSON.stringify([fullName(machine), known]).length;
    if (left < 0) break;
    if (known.length > 0) states[fullName(machine)] = known;
  }
  return states;
}

/** The activities of a machine's states, and of its hooks. */
export function activitiesOf({ activities, rules }: Machine): RunnableActivity[] {
  return [...activities.values(), ...(rules?.activities.values() ?? [])];
}

/** Instances that any of the machines reads. */
export function sensorsOf(registry: Registry): string[] {
  return [...new Set([...registry.values()].flat().flatMap(({ sensors }) => sensors))];
}

/** `NAME`, or `NAME:VERSION`. */
export function fullName({ name, version }: Pick<Machine, 'name' | 'version'>): string {
  return version === undefined ? name : `${name}:${version}`;
}

/** Compares dotted parts, numerically where possible. A machine without a version is older than any other. */
export function compareVersions(a: Pick<Machine, 'version'>, b: Pick<Machine, 'version'>): number {
  if (a.version === undefined || b.version === undefined) {
    return Number(a.version !== undefined) - Number(b.version !== undefined);
  }
  return a.version.localeCompare(b.version, 'en', { numeric: true });
}

/**
 * Finds the machine and state that a state file means. Without `machine`, `state` is the machine's name and stands for its
 * initial state. A name without a version means the newest version anywhere; if that is only in `newest` (versions that
 * other workers have), the machine is unknown here. For XState machines it is the newest version that the snapshot fits.
 */
export function resolveState(
  registry: Registry,
  file: StateFile,
  newest: ReadonlyMap<string, string> = new Map(),
): Resolved {
  const [name = '', version] = (file.machine ?? file.state).split(':');
  const versions = registry.get(name) ?? [];
  const elsewhere = { version: version === undefined ? newest.get(name) : undefined };
  const isOld = versions[0] !== undefined && compareVersions(elsewhere, versions[0]) > 0;
  const newestHere = isOld ? undefined : (versions.find((one) => isOf(one, file)) ?? versions[0]);
  const machine =
    version === undefined ? newestHere : versions.find((one) => one.version === version);
  if (machine === undefined) {
    const known = machineNames(registry).join(', ');
    const reason = `this worker does not know machine ${file.machine ?? file.state}; it knows ${known}`;
    return { ok: false, code: 'unknown-machine', reason };
  }
  const found = machine.lookup(file);
  const state = found.kind === 'not-found' ? file.state : found.state;
  if (isOpen(file.join)) return { ok: true, kind: 'waiting', machine, state };
  if (file.hook !== undefined && found.kind !== 'not-found') {
    const activity = machine.rules?.activities.get(file.hook.run);
    if (activity !== undefined) return { ok: true, kind: 'runnable', machine, state, activity };
    const reason = `machine ${fullName(machine)} has no hook activity "${file.hook.run}"`;
    return { ok: false, code: 'unknown-state', reason };
  }
  if (file.waits === true && found.kind === 'runnable') {
    if (machine.rules !== undefined) return { ok: true, kind: 'waiting', machine, state };
    const reason = `machine ${fullName(machine)} has no events, so nothing can end its wait`;
    return { ok: false, code: 'no-events', reason };
  }
  return found.kind === 'not-found' ? { ok: false, ...found } : { ok: true, machine, ...found };
}

function isOf(machine: Machine, file: StateFile): boolean {
  const found = machine.lookup(file);
  return found.kind !== 'not-found' || found.code !== 'other-definition';
}
