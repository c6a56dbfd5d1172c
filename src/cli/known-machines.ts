/** Checks that the machine, version and state of what is submitted are known to this command, the volume or its workers. */
import { statSync } from 'node:fs';
import { UserError, suggestion } from '../machine/errors.ts';
import type { Machine } from '../machine/definition.ts';
import {
  createRegistry,
  fullName,
  machineNames,
  resolveState,
  type Registry,
} from '../machine/registry.ts';
import { parseStateFile, type StateFile } from '../machine/state-file.ts';
import type { Candidate } from '../engine/validate.ts';
import { parseConfiguration, type ConfigurationSource } from '../machine/config.ts';
import { getConfiguration, listConfigurations } from '../volume/configurations.ts';
import { Layout } from '../volume/layout.ts';
import { NodeFiles } from '../volume/node-files.ts';
import { readVolume } from '../volume/open.ts';
import { readSessions } from '../volume/overview.ts';
import { loadMachines } from './machines.ts';

/** Machines that a volume and its workers know. */
export interface Knowledge {
  /** Shipped machines, those of `--machines`, and the configurations that are stored on the volume. */
  readonly registry: Registry;
  /** Machine names that workers have published, some with versions. */
  readonly ofWorkers: readonly string[];
  /** A worker's lease is fresh. */
  readonly isManned: boolean;
  /** `--machines` was given: machines of workers do not count. */
  readonly isStrict: boolean;
}

export interface Doubt {
  readonly reason: string;
  /** False if a worker that starts later may know the machine. */
  readonly isCertain: boolean;
}

/** Why the machine or state that `file` names is unknown; undefined if it is known, or may be. Pure. */
export function doubtAbout(
  file: StateFile,
  { registry, ofWorkers, isManned, isStrict }: Knowledge,
): Doubt | undefined {
  const resolved = resolveState(registry, file);
  if (resolved.ok) return undefined;
  const reference = file.machine ?? file.state;
  const [name = ''] = reference.split(':');
  if (resolved.code !== 'unknown-machine') {
    const hasOthers = ofWorkers.some((one) => isOfName(one, name) && !isIn(registry, one));
    if (hasOthers && !isStrict) return undefined;
    return { reason: resolved.reason, isCertain: true };
  }
  const isOfWorkers = ofWorkers.some((one) => one === reference || isOfName(one, reference));
  if (isOfWorkers && !isStrict) return undefined;
  const known = [...new Set([...machineNames(registry), ...(isStrict ? [] : ofWorkers)])];
  const reason = `machine ${reference} is not known here${suggestion(reference, known)}`;
  return { reason, isCertain: isStrict || isManned };
}

const isOfName = (full: string, name: string): boolean => full.split(':')[0] === name;

function isIn(registry: Registry, full: string): boolean {
  const versions = registry.get(full.split(':')[0]!) ?? [];
  return versions.some((one) => fullName(one) === full);
}

/** Reads what the volume and its workers know. Throws as `loadMachines`. */
export async function gatherKnowledge(
  directory: string,
  machines: readonly string[],
): Promise<Knowledge> {
  const own = await loadMachines(machines);
  const isStrict = machines.length > 0;
  const all: Machine[] = [...own.values()].flat();
  const ofWorkers = new Set<string>();
  let isManned = false;
  const files = new NodeFiles();
  const layout = new Layout(directory);
  const lease = (await readVolume(files, layout))?.lease ?? 0;
  for (const key of await listConfigurations(files, layout)) {
    if (all.some((one) => fullName(one) === fullName(key))) continue;
    const text = await getConfiguration(files, layout, key);
    const source = { file: key.name, folder: directory, version: key.version };
    const machine = text === undefined ? undefined : stored(text, source);
    if (machine !== undefined) all.push(machine);
  }
  for (const { session, machines: had } of await readSessions(files, layout)) {
    for (const one of had) ofWorkers.add(one);
    isManned ||= isFresh(layout.internal('leases', session), lease);
  }
  return { registry: createRegistry(all), ofWorkers: [...ofWorkers], isManned, isStrict };
}

function stored(text: string, source: ConfigurationSource): Machine | undefined {
  try {
    return parseConfiguration(text, source);
  } catch (error) {
    // Written by a newer version, whose workers can read it.
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** By this host's clock. If that is wrong, an unknown machine is a warning instead of an error. */
function isFresh(path: string, lease: number): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && Math.abs(Date.now() - stats.mtimeMs) < lease;
}

/** Returns warnings for doubts that are not certain. Throws `unknown-machine` with all that are. */
export function refuseUnknown(candidates: readonly Candidate[], knowledge: Knowledge): string[] {
  const certain: string[] = [];
  const warnings: string[] = [];
  const told = new Set<string>();
  for (const { source, bytes } of candidates) {
    const parsed = parseStateFile(bytes);
    if (!parsed.ok) continue;
    const doubt = doubtAbout(parsed.file, knowledge);
    if (doubt === undefined) continue;
    if (doubt.isCertain) certain.push(`${source}: ${doubt.reason}`);
    // One warning for all files of one machine.
    else if (!told.has(doubt.reason)) {
      told.add(doubt.reason);
      warnings.push(`${source}: ${doubt.reason}`);
    }
  }
  if (certain.length === 0) return warnings;
  const shown = certain.slice(0, MAX_SHOWN_PROBLEMS);
  if (certain.length > MAX_SHOWN_PROBLEMS)
    shown.push(`… and ${certain.length - MAX_SHOWN_PROBLEMS} more`);
  const remedy = knowledge.isStrict
    ? 'add it to --machines'
    : 'start a worker that knows it, or name its file with --machines';
  const message = ['nothing was submitted:', ...shown].join('\n  ');
  throw new UserError('unknown-machine', `${message}\n${remedy}`, { problems: certain });
}

const MAX_SHOWN_PROBLEMS = 20;
