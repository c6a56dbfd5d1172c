/** Paths on the volume. Flags in all directories but `workers/` have the names of state files. */
import { parseStateName } from '../machine/name.ts';
import { hash } from './phases/hash.ts';

export const FLAGS = ['workers', 'in_progress', 'done', 'failed', 'waiting'] as const;
export type Flag = (typeof FLAGS)[number];

/** Under `.flockwork/`: nothing a user has to look at. */
export const INTERNAL = ['sessions', 'leases', 'staging', 'attempts', 'journal'] as const;
export type Internal = (typeof INTERNAL)[number];

/** Pending events, and their outcomes. */
export const EVENTS = ['events', 'outcomes'] as const;

/** Relative to the root: what sessions have in these, they remove when they leave. */
export const TRANSIENT_DIRECTORIES = [
  'in_progress',
  'workers',
  '.flockwork/leases',
  '.flockwork/sessions',
  '.flockwork/staging',
  '.flockwork/attempts',
] as const;

const ARCHIVE_SHARDS = 256;

/**
 * Is this a name that desktops, editors and file servers leave in directories (`Thumbs.db`, `x~`, `@eaDir`)? Workers and
 * sessions have no such names.
 */
export function isJunkName(name: string): boolean {
  return (
    !/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name) || /^(eh)?thumbs\.db$|^desktop\.ini$/i.test(name)
  );
}

export class Layout {
  readonly root: string;

  constructor(root: string) {
    this.root = root.replace(/(?<=.)\/+$/, '');
  }

  /** The root for listings: it may be a symbolic link to a directory. */
  get entries(): string {
    return `${this.root}/`;
  }

  state(name: string): string {
    return `${this.root}/${name}`;
  }

  flags(flag: Flag): string {
    return `${this.root}/${flag}`;
  }

  flag(flag: Flag, name: string): string {
    return `${this.root}/${flag}/${name}`;
  }

  get events(): string {
    return `${this.root}/events`;
  }

  /** `name`: from `formatEventName`. */
  event(name: string): string {
    return `${this.events}/${name}`;
  }

  get outcomes(): string {
    return `${this.root}/outcomes`;
  }

  /** `key`: from `eventKey`. `generation`: see `outcomes.ts`. */
  outcome(key: string, generation = 0): string {
    return `${this.outcomes}/${key}${generation === 0 ? '' : `+${generation}`}`;
  }

  get home(): string {
    return `${this.root}/.flockwork`;
  }

  internal(part: Internal, ...names: string[]): string {
    return [this.home, part, ...names].join('/');
  }

  get archive(): string {
    return `${this.root}/archive`;
  }

  /** `archive/00` to `archive/ff`; all steps of an instance are in the same shard. */
  archiveShard(name: string): string {
    const shard = hash(parseStateName(name)?.instance ?? name) % ARCHIVE_SHARDS;
    return `${this.archive}/${shard.toString(16).padStart(2, '0')}`;
  }

  archivedState(name: string): string {
    return `${this.archiveShard(name)}/${name}`;
  }

  archivedFlag(name: string): string {
    return `${this.archiveShard(name)}/done/${name}`;
  }

  get volumeFile(): string {
    return `${this.home}/volume.json`;
  }

  /** Created with the first configuration. */
  get configurations(): string {
    return `${this.home}/configurations`;
  }

  get paused(): string {
    return `${this.home}/paused`;
  }
}
