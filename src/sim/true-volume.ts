/** The volume as it truly is, in the words of the protocol: what the oracle looks at. */
import { originName } from '../machine/name.ts';
import { publishedStates, parseCommitRecord, type PublishedState } from '../machine/record.ts';
import { Layout } from '../volume/layout.ts';
import type { Disk, DiskNode } from './disk.ts';
import { isForeign } from './foreign-entries.ts';
import { MOUNT } from './process-options.ts';

const LAYOUT = new Layout('');

export class TrueVolume {
  readonly disk: Disk;

  constructor(disk: Disk) {
    this.disk = disk;
  }

  /** Without what others have left there. */
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

  /** Would it survive if the power went now? */
  isDurable(path: string): boolean {
    return this.exists(path) && this.disk.isDurable(`${MOUNT}/${path}`);
  }

  /** Would a power cut bring it back, whether it is there now or not? */
  comesBack(path: string): boolean {
    return this.disk.isDurable(`${MOUNT}/${path}`);
  }

  /** The flag of a done state, wherever it is by now. */
  doneText(name: string): string | undefined {
    return this.text(`done/${name}`) ?? this.text(archivedFlag(name));
  }

  /** What the step that leads to this state file says of it, if that is done. */
  follower(name: string): PublishedState | undefined {
    const origin = originName(name) ?? '';
    const record = parseCommitRecord(this.doneText(origin) ?? '', origin);
    return publishedStates(record).find((one) => one.name === name);
  }

  /** Is there a state file of this name, in the root or in the archive? */
  hasState(name: string): boolean {
    return this.exists(name) || this.exists(archivedState(name));
  }
}

/** From the volume's root. */
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
