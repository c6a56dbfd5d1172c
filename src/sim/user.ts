/** A user of the simulated volume: submits and copies state files, sends events, leaves invalid files and foreign entries. */
import { formatEventName } from '../machine/event.ts';
import { MOUNT, type Actor, type Disk } from './disk.ts';

/** Left by file servers, desktops and attackers in a volume's directories: workers ignore and keep it. */
interface ForeignEntry {
  /** Relative to the volume's root. */
  readonly place: string;
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'link';
}

/** A session whose lease is a directory: it is dead, but recovery cannot remove it. */
const UNREMOVABLE_SESSION = 'nobody.aaaaaaaa';

const FOREIGN_ENTRIES: readonly ForeignEntry[] = [
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
const INVALID_FILES: readonly (readonly [name: string, content: string | undefined])[] = [
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

export interface InputPlace {
  readonly disk: Disk;
  now(): number;
  at(time: number, act: () => void): () => void;
  /** A file of this content is, or will be, put in; `isOurs`: a state file that must be done in the end. */
  expect(name: string, content: string, isOurs: boolean): void;
  /** An event of this name was sent; with `content`, a file was dropped. */
  sent(file: string, content?: string): void;
}

const COPY_PIECES = 4;

export class User implements Actor {
  readonly client: string = 'user';
  readonly #place: InputPlace;
  readonly #submitted = new Set<string>();

  constructor(place: InputPlace) {
    this.#place = place;
  }

  readonly stamp = (): number => this.#place.now();

  /** As `flockwork submit`: durable when it returns. */
  submit(name: string, content: string): void {
    const { disk } = this.#place;
    this.#place.expect(name, content, true);
    this.#submitted.add(name);
    disk.create(pathOf(name), content, this);
    this.#sync(name);
  }

  /** Copies a submitted file again that has left the root. */
  copyAgain(name: string, content: string): void {
    const { disk } = this.#place;
    if (!this.#submitted.has(name) || disk.stat(pathOf(name)) !== undefined) return;
    disk.create(pathOf(name), content, this);
    this.#sync(name);
  }

  /** As `flockwork send`: durable when it returns. */
  send(to: string, id: string, content: string): void {
    const { disk } = this.#place;
    const directory = this.#events();
    const time = new Date(Math.floor(this.#place.now())).toISOString();
    const name = formatEventName({ time, isDelayed: false, id, to });
    const path = `${directory}/${name}`;
    if (disk.stat(path) !== undefined) return;
    this.#place.sent(name);
    disk.create(path, content, this);
    disk.sync(path);
    disk.sync(directory);
    // Also if a worker has just created `events/`.
    disk.sync(MOUNT);
  }

  #events(): string {
    const { disk } = this.#place;
    const directory = pathOf('events');
    if (disk.stat(directory) === undefined) {
      disk.makeDirectory(directory, this);
      disk.sync(MOUNT);
    }
    return directory;
  }

  /** Drops an event file, copied a piece every `ms`. */
  drop(name: string, content: string, ms: number): void {
    const place = this.#place;
    const { disk } = place;
    const directory = this.#events();
    const path = `${directory}/${name}`;
    if (disk.stat(path) !== undefined) return;
    disk.create(path, '', this);
    disk.sync(directory);
    for (let piece = 0; piece < COPY_PIECES; piece += 1) {
      const [start, end] = boundsOf(content, piece);
      place.at(place.now() + piece * ms, () => {
        // A power cut may have removed some of it.
        if (disk.stat(path) === undefined || disk.read(path) !== content.slice(0, start)) return;
        if (end === content.length) place.sent(name, content);
        disk.append(path, content.slice(start, end), this);
        disk.sync(path);
      });
    }
  }

  putInvalidFile(number: number): void {
    const { disk } = this.#place;
    const [name, content] = INVALID_FILES[number % INVALID_FILES.length]!;
    if (disk.stat(pathOf(name)) !== undefined) return;
    this.#place.expect(name, content ?? '', false);
    if (content === undefined) disk.createOther(pathOf(name), this);
    else disk.create(pathOf(name), content, this);
    this.#sync(name);
  }

  /** Into a directory of the volume, once it exists. */
  putForeignEntry(number: number): void {
    const { disk } = this.#place;
    const { place, name, kind } = FOREIGN_ENTRIES[number % FOREIGN_ENTRIES.length]!;
    const [directory, path] = [pathOf(place), pathOf(`${place}/${name}`)];
    if (disk.stat(directory) === undefined || disk.stat(path) !== undefined) return;
    if (kind === 'directory') disk.makeDirectory(path, this);
    else if (kind === 'link') disk.createOther(path, this);
    else disk.create(path, 'foreign', this);
    disk.sync(path);
    disk.sync(directory);
  }

  /** As `cp`: the name first, then a piece every `ms`, which is less than a cycle. */
  copySlowly(name: string, content: string, ms: number): void {
    const place = this.#place;
    const { disk } = place;
    place.expect(name, content, true);
    disk.create(pathOf(name), '', this);
    disk.sync(MOUNT);
    for (let piece = 0; piece < COPY_PIECES; piece += 1) {
      const [start, end] = boundsOf(content, piece);
      place.at(place.now() + (piece + 1) * ms, () => {
        if (disk.stat(pathOf(name)) === undefined) return;
        disk.append(pathOf(name), content.slice(start, end), this);
        this.#sync(name);
      });
    }
  }

  #sync(name: string): void {
    this.#place.disk.sync(pathOf(name));
    this.#place.disk.sync(MOUNT);
  }
}

function boundsOf(content: string, piece: number): [start: number, end: number] {
  const at = (part: number): number => Math.floor((part * content.length) / COPY_PIECES);
  return [at(piece), at(piece + 1)];
}

const pathOf = (name: string): string => `${MOUNT}/${name}`;
