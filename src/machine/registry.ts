/** The machines a worker has, and which of them a state file means. */
import type { Machine, RunnableActivity } from './definition.ts';
import { UserError } from './errors.ts';
import type { StateFile } from './state-file.ts';

/** By name; of each, the newest version first. */
export type Registry = ReadonlyMap<string, readonly Machine[]>;

export type Resolved =
  | {
      readonly ok: true;
      readonly machine: Machine;
      readonly state: string;
      readonly activity: RunnableActivity;
    }
  | {
      readonly ok: false;
      readonly code: 'unknown-machine' | 'unknown-state';
      readonly reason: string;
    };

/** Throws `duplicate-machine`. */
export function createRegistry(machines: readonly Machine[]): Registry {
  const registry = new Map<string, Machine[]>();
  for (const machine of machines) {
    const versions = registry.get(machine.name) ?? [];
    if (versions.some((other) => other.version === machine.version)) {
      const message = `there are two machines ${fullName(machine)}; give one another name or version`;
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

function fullName({ name, version }: Machine): string {
  return version === undefined ? name : `${name}:${version}`;
}

/** Dotted parts, as numbers where they are; a machine without a version is older than any with one. */
function compareVersions(a: Machine, b: Machine): number {
  if (a.version === undefined || b.version === undefined) {
    return Number(a.version !== undefined) - Number(b.version !== undefined);
  }
  return a.version.localeCompare(b.version, 'en', { numeric: true });
}

/** Without `machine`, `state` names the machine too, at its initial state. */
export function resolveState(registry: Registry, file: StateFile): Resolved {
  const [name = '', version] = (file.machine ?? file.state).split(':');
  const versions = registry.get(name) ?? [];
  const machine =
    version === undefined ? versions[0] : versions.find((one) => one.version === version);
  if (machine === undefined) {
    const known = machineNames(registry).join(', ');
    const reason = `this worker does not know machine ${file.machine ?? file.state}; it knows ${known}`;
    return { ok: false, code: 'unknown-machine', reason };
  }
  const state =
    !machine.activities.has(file.state) && file.state === machine.name
      ? machine.initial
      : file.state;
  const activity = machine.activities.get(state);
  if (activity !== undefined) return { ok: true, machine, state, activity };
  const states = [...machine.activities.keys()].join(', ');
  const reason = `machine ${fullName(machine)} has no activity in state "${file.state}"; there are ${states}`;
  return { ok: false, code: 'unknown-state', reason };
}
