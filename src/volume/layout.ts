/** Where everything is on the volume. Flag names are exactly the state files' names. */
import { parseStateName } from '../machine/name.ts';
import { hash } from './phases/hash.ts';

export const FLAGS = ['workers', 'in_progress', 'done', 'failed', 'waiting'] as const;
export type Flag = (typeof FLAGS)[number];

/** Under `.flockwork/`: nothing a user has to look at. */
export const INTERNAL = ['sessions', 'leases', 'staging', 'attempts', 'journal'] as const;
export type Internal = (typeof INTERNAL)[number];

/** Of events: those on their way, and what became of each. */
export const EVENTS = ['events', 'outcomes'] as const;

const SHARDS = 256;

/**
 * What desktops, editors and file servers leave in any directory that people look into (`Thumbs.db`, `x~`, `@eaDir`): workers
 * and sessions have no such names.
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

  /** For listing: the volume itself may be a link to a directory. */
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

  /** The names are those of `formatEventName`. */
  event(name: string): string {
    return `${this.events}/${name}`;
  }

  get outcomes(): string {
    return `${this.root}/outcomes`;
  }

  /** `generation`: see `outcomes.ts`. */
  outcome(id: string, generation = 0): string {
    return `${this.outcomes}/${id}${generation === 0 ? '' : `+${generation}`}`;
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

  /** All steps of an instance are in one: `archive/00` to `archive/ff`. */
  archiveShard(name: string): string {
    const shard = hash(parseStateName(name)?.instance ?? name) % SHARDS;
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

  /** Made when the first one is stored. */
  get configurations(): string {
    return `${this.home}/configurations`;
  }

  get paused(): string {
    return `${this.home}/paused`;
  }
}
