/** Where everything is on the volume. Flag names are exactly the state files' names. */

export const FLAGS = ['workers', 'in_progress', 'done', 'failed', 'waiting'] as const;
export type Flag = (typeof FLAGS)[number];

/** Under `.flockwork/`: nothing a user has to look at. */
export const INTERNAL = ['sessions', 'leases', 'staging', 'attempts', 'journal'] as const;
export type Internal = (typeof INTERNAL)[number];

export class Layout {
  readonly root: string;

  constructor(root: string) {
    this.root = root.replace(/(?<=.)\/+$/, '');
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

  get home(): string {
    return `${this.root}/.flockwork`;
  }

  internal(part: Internal, ...names: string[]): string {
    return [this.home, part, ...names].join('/');
  }

  get volumeFile(): string {
    return `${this.home}/volume.json`;
  }

  get paused(): string {
    return `${this.home}/paused`;
  }
}
