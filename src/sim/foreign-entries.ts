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

/** Without content: not a regular file. */
export const INVALID_FILES: readonly (readonly [name: string, content: string | undefined])[] = [
  ['README.txt', 'hello'],
  ['half.state.part', '{"state":'],
  ['zero.state-01', '{}'],
  ['.hidden.state', '{}'],
  ['empty.state', ''],
  ['cut.state', '{"state": "chain", "payload": {'],
  ['list.state', '[]'],
  ['keys.state', '{"state": "chain", "colour": "red"}'],
  ['fifo.state', undefined],
  ['foreign.state', '{"state": "unknown"}'],
  // In the place of a successor.
  ['i0.state-1', '{"state": "chain", "payload": {"left": 1}, "x-mine": true}'],
];
