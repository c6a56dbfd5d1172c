/** The true volume, by the protocol's terms, for the oracle: without caches and foreign entries. */
import { isStateName, parseStateName, stateName } from '../machine/name.ts';
import {
  emittedIn,
  parseCommitRecord,
  parseFailureRecord,
  type CommitRecord,
} from '../machine/record.ts';
import { Layout } from '../volume/layout.ts';
import { MOUNT, type Disk, type DiskNode } from './disk.ts';
import { isForeign } from './user.ts';
import { TrueSteps } from './common-checkers.ts';
import { parseStateFile } from '../machine/state-file.ts';
import type { InstanceEnd, InstanceEnds } from './own-work.ts';

const LAYOUT = new Layout('');

export class TrueVolume extends TrueSteps {
  readonly disk: Disk;

  constructor(disk: Disk) {
    super();
    this.disk = disk;
  }

  /** Without foreign entries. */
  list(path: string): string[] {
    const names = this.disk.list(path === '' ? MOUNT : `${MOUNT}/${path}`);
    return names.filter((name) => !isForeign(path, name));
  }

  exists(path: string): boolean {
    return this.disk.stat(`${MOUNT}/${path}`) !== undefined;
  }

  /** Undefined where there is no such file. */
  text(path: string): string | undefined {
    try {
      return this.disk.read(`${MOUNT}/${path}`);
    } catch {
      return undefined;
    }
  }

  /** Whether it exists and would survive a power cut now. */
  isDurable(path: string): boolean {
    return this.exists(path) && this.disk.isDurable(`${MOUNT}/${path}`);
  }

  /** Whether it would exist after a power cut, even if it does not now. */
  comesBack(path: string): boolean {
    return this.disk.isDurable(`${MOUNT}/${path}`);
  }

  /** The flag of a done state, in `done/` or in the archive. */
  doneText(name: string): string | undefined {
    return this.text(`done/${name}`) ?? this.text(archivedFlag(name));
  }

  isDone(name: string): boolean {
    return this.doneText(name) !== undefined;
  }

  recordOf(name: string): CommitRecord | undefined {
    return parseCommitRecord(this.doneText(name) ?? '', name);
  }

  /** An event file may contain the whole record of the step that sent it. */
  eventText(file: string): string | undefined {
    const text = this.text(`events/${file}`);
    return text === undefined ? undefined : (emittedIn(text, file) ?? text);
  }

  /** Whether the state file exists, in the root or in the archive. */
  hasState(name: string): boolean {
    return this.exists(name) || this.exists(archivedState(name));
  }
}

/** Relative to the volume's root. */
export function archivedFlag(name: string): string {
  return LAYOUT.archivedFlag(name).slice(1);
}

export function archivedState(name: string): string {
  return LAYOUT.archivedState(name).slice(1);
}

/** `/volume/done/x` is `x` in `done`; `/volume/x` is `x` in `.`. */
export function placeOf(path: string): [place: string, name: string] {
  const inside = path.slice(MOUNT.length + 1);
  const depth = inside.startsWith('.flockwork/') ? 2 : 1;
  const parts = inside.split('/');
  if (parts.length <= depth) return ['.', inside];
  return [parts.slice(0, depth).join('/'), parts.slice(depth).join('/')];
}

export function textOf(node: DiskNode): string {
  return node.kind === 'directory' ? '' : node.content;
}

/** Where the instances are when a run is over. */
export function volumeEnds(volume: TrueVolume): InstanceEnds {
  const last = new Map<string, number>();
  for (const name of namesOf(volume)) {
    const { instance, step } = parseStateName(name)!;
    last.set(instance, Math.max(step, last.get(instance) ?? 0));
  }
  return new Map(
    Array.from(last, ([instance, step]) => [instance, endOf(volume, stateName(instance, step))]),
  );
}

function namesOf(volume: TrueVolume): string[] {
  const shards = volume.exists('archive') ? volume.list('archive') : [];
  return ['', ...shards.map((shard) => `archive/${shard}`)]
    .flatMap((directory) => volume.list(directory))
    .filter(isStateName);
}

function endOf(volume: TrueVolume, name: string): InstanceEnd {
  const content = volume.text(name) ?? volume.text(archivedState(name)) ?? '';
  const parsed = parseStateFile(new TextEncoder().encode(content));
  const failure = parseFailureRecord(volume.text(`failed/${name}`) ?? '', name);
  const open = failure === undefined ? 'waiting' : 'failed';
  return {
    name,
    flag: volume.isDone(name) ? 'done' : open,
    state: parsed.ok ? parsed.file.state : undefined,
    payload: parsed.ok ? parsed.file.payload : undefined,
    output: volume.recordOf(name)?.output,
    reason: failure?.reason,
  };
}
