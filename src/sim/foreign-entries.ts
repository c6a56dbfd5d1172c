/** Entries that file servers, desktops and attackers leave in a volume's directories: workers ignore and keep them. */

export interface ForeignEntry {
  /** Relative to the volume's root. */
  readonly place: string;
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'link';
}

/** A session whose lease is a directory: it is dead, but recovery cannot remove it. */
const UNREMOVABLE_SESSION = 'nobody.aaaaaaaa';

export const FOREIGN_ENTRIES: readonly ForeignEntry[] = [
  ...['done', 'failed', 'in_progress', 'waiting', 'workers', 'outcomes', 'events'].flatMap(
    (place): ForeignEntry[] => [
      { place, name: '@eaDir', kind: 'directory' },
      { place, name: '.DS_Store', kind: 'file' },
    ],
  ),
  { place: '.flockwork/staging', name: 'Thumbs.db', kind: 'file' },
  { place: '.flockwork/staging', name: 'evil.aaaaaaaa', kind: 'link' },
  { place: '.flockwork/sessions', name: '@eaDir', kind: 'directory' },
  { place: '.flockwork/leases', name: UNREMOVABLE_SESSION, kind: 'directory' },
  { place: '.flockwork/attempts', name: '@eaDir', kind: 'directory' },
  { place: '.flockwork/attempts', name: 'never.state', kind: 'link' },
];

export const isForeign = (place: string, name: string): boolean =>
  FOREIGN_ENTRIES.some((one) => one.place === place && one.name === name);
