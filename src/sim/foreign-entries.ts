/** What file servers, desktops and attackers leave in the directories of a volume: it is passed over, and stays. */

export interface ForeignEntry {
  /** Below the volume. */
  readonly place: string;
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'link';
}

/** A session that nobody is, whose lease is no file: it is dead, and cannot be buried. */
const NOBODY = 'nobody.aaaaaaaa';

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
  { place: '.flockwork/leases', name: NOBODY, kind: 'directory' },
  { place: '.flockwork/attempts', name: '@eaDir', kind: 'directory' },
  { place: '.flockwork/attempts', name: 'never.state', kind: 'link' },
];

export const isForeign = (place: string, name: string): boolean =>
  FOREIGN_ENTRIES.some((one) => one.place === place && one.name === name);
