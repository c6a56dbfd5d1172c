/**
 * Reads the journals: all entries in the order of time, pages of them, their ends, the entries of one instance, and counts of
 * results. Memory does not grow with history.
 */
import { parseStateName, compareCodePoints } from '../machine/name.ts';
import { listOrNone } from './atomic-files.ts';
import { errnoOf, type Files } from './files.ts';
import { parseJournalLine, parseJournalName, type JournalFile } from './journal.ts';
import type { Layout } from './layout.ts';
import { firstIndex } from './phases/ring.ts';
import type { JournalEntry, Page, TickPage } from '../engine/engine.ts';

/** `Files`, and what reading large volumes needs. */
export interface HistoryFiles extends Files {
  /** At most `length` bytes from `position` on; empty at the end. */
  readAt(path: string, position: number, length: number): Promise<Uint8Array>;
  /** A directory's names, one by one. */
  names(directory: string): AsyncIterable<string>;
}

/** Of each journal's end, and of all together: the last minute of a busy fleet. */
const TAIL_BYTES = 256 * 1024;
const MAX_TAILS_BYTES = 16 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
/** Entries that are sorted among each other. */
const SORT_WINDOW_ENTRIES = 10_000;
const LINE_FEED = 10;

interface JournalPath extends JournalFile {
  readonly path: string;
}

/** In the order of sessions and parts. */
async function findJournals(files: Files, layout: Layout): Promise<JournalPath[]> {
  const found: JournalPath[] = [];
  for (const name of await listOrNone(files, layout.internal('journal'))) {
    const file = parseJournalName(name);
    if (file !== undefined) found.push({ ...file, path: layout.internal('journal', name) });
  }
  return found.sort((a, b) => compareCodePoints(a.session, b.session) || a.part - b.part);
}

/** The size of each journal now, by path: where a later read starts. */
export async function journalSizes(files: Files, layout: Layout): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const { path } of await findJournals(files, layout)) {
    sizes.set(path, (await files.stat(path))?.size ?? 0);
  }
  return sizes;
}

interface Line {
  readonly text: string;
  /** Position of the byte after it. */
  readonly end: number;
}

/** Whole lines, a chunk's at a time. Skips a last line without its line feed: it is being written, or was cut short. */
async function* linesOf(
  files: HistoryFiles,
  path: string,
  from: number,
): AsyncGenerator<Line[], void> {
  let rest = Buffer.alloc(0);
  for (let start = from; ;) {
    const bytes = await readOrNone(files, path, start + rest.length);
    if (bytes.length === 0) return;
    const all = Buffer.concat([rest, bytes]);
    const lines: Line[] = [];
    let at = 0;
    for (let end = all.indexOf(LINE_FEED); end !== -1; end = all.indexOf(LINE_FEED, at)) {
      lines.push({ text: all.toString('utf8', at, end), end: start + end + 1 });
      at = end + 1;
    }
    start += at;
    rest = all.subarray(at);
    if (lines.length > 0) yield lines;
  }
}

/** A chunk of a file; empty at its end, and for a file that is gone: journals may be moved away at any time. */
async function readOrNone(
  files: HistoryFiles,
  path: string,
  position: number,
): Promise<Uint8Array> {
  try {
    return await files.readAt(path, position, CHUNK_BYTES);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return new Uint8Array();
    throw error;
  }
}

interface PlacedEntry {
  readonly entry: JournalEntry;
  /** Of its journal. */
  readonly path: string;
  /** Position of the byte after its line. */
  readonly end: number;
}

async function* entriesOfSession(
  files: HistoryFiles,
  parts: readonly JournalPath[],
  from: ReadonlyMap<string, number>,
): AsyncGenerator<PlacedEntry, void> {
  for (const part of parts) {
    for await (const lines of linesOf(files, part.path, from.get(part.path) ?? 0)) {
      for (const { text, end } of lines) {
        const entry = parseJournalLine(text, part);
        if (entry !== undefined) yield { entry, path: part.path, end };
      }
    }
  }
}

/** A session's journal while it is read: its next entry. */
interface Source {
  readonly rest: AsyncGenerator<PlacedEntry, void>;
  readonly next: PlacedEntry;
  /** When the entry ended, ms; not less than those before it. */
  readonly ended: number;
}

const endOf = ({ started, duration }: JournalEntry): number => Date.parse(started) + duration;

/** Invariant: sorted, the latest first, so that `pop` takes the earliest. `from`: bytes to skip of each file, by path. */
async function sourcesOf(
  files: HistoryFiles,
  journals: readonly JournalPath[],
  from: ReadonlyMap<string, number>,
): Promise<Source[]> {
  const sources: Source[] = [];
  for (const parts of Map.groupBy(journals, ({ session }) => session).values()) {
    const rest = entriesOfSession(files, parts, from);
    await insertNext(sources, rest, Number.NEGATIVE_INFINITY);
  }
  return sources;
}

/**
 * Inserts a source with its next entry, unless there is none. Lines are written when ticks are settled, nearly in the order of
 * their ends: `ended` is made monotonic here. `before`: of the entry before.
 */
async function insertNext(sources: Source[], rest: Source['rest'], before: number): Promise<void> {
  const { value: next } = await rest.next();
  if (next === undefined) return;
  const ended = Math.max(before, endOf(next.entry));
  const index = firstIndex(sources.length, (one) => sources[one]!.ended > ended);
  sources.splice(index, 0, { rest, next, ended });
}

const byStart = (a: JournalEntry, b: JournalEntry): number =>
  compareCodePoints(a.started, b.started) || compareCodePoints(a.state, b.state);

/**
 * All journals' entries in the order in which the ticks started, many at a time. A tick during which more than
 * `window` others ended comes later, among those that ended with it. `from`: bytes to skip of each file, by path.
 */
export async function* entriesInOrder(
  files: HistoryFiles,
  layout: Layout,
  from: ReadonlyMap<string, number> = new Map(),
  window: number = SORT_WINDOW_ENTRIES,
): AsyncGenerator<JournalEntry[], void> {
  const sources = await sourcesOf(files, await findJournals(files, layout), from);
  let held: JournalEntry[] = [];
  for (let first = sources.pop(); first !== undefined; first = sources.pop()) {
    held.push(first.next.entry);
    await insertNext(sources, first.rest, first.ended);
    if (held.length < 2 * window) continue;
    held.sort(byStart);
    yield held.slice(0, window);
    held = held.slice(window);
  }
  yield held.sort(byStart);
}

/** The last journal entry of each step of one instance, by state file's name. */
export async function lastEntriesOf(
  files: HistoryFiles,
  layout: Layout,
  instance: string,
): Promise<Map<string, JournalEntry>> {
  const last = new Map<string, JournalEntry>();
  // As written in a line, so that most lines need not be parsed.
  const written = JSON.stringify(instance).slice(1, -1);
  for (const file of await findJournals(files, layout)) {
    for await (const lines of linesOf(files, file.path, 0)) {
      for (const { text } of lines) {
        const entry = text.includes(written) ? parseJournalLine(text, file) : undefined;
        if (entry === undefined || parseStateName(entry.state)?.instance !== instance) continue;
        const other = last.get(entry.state);
        if (other === undefined || other.started <= entry.started) last.set(entry.state, entry);
      }
    }
  }
  return last;
}

export interface Tails {
  readonly entries: readonly JournalEntry[];
  /** Workers whose journals were parsed in part. */
  readonly cut: ReadonlySet<string>;
  /** Results in the other part, by worker. */
  readonly before: ReadonlyMap<string, ResultCounts>;
  /** Workers whose journals were not even counted in full. */
  readonly uncounted: ReadonlySet<string>;
}

/** The ends of the journals, the last written ones first, up to a total size. */
export async function readTails(
  files: HistoryFiles,
  layout: Layout,
  tailBytes: number = TAIL_BYTES,
  maxTailsBytes: number = MAX_TAILS_BYTES,
  counter: JournalCounter = new JournalCounter(),
): Promise<Tails> {
  const journals: (JournalPath & { readonly size: number; readonly mtime: number })[] = [];
  for (const file of await findJournals(files, layout)) {
    const stat = await files.stat(file.path);
    if (stat !== undefined) journals.push({ ...file, size: stat.size, mtime: stat.mtime });
  }
  journals.sort((a, b) => b.mtime - a.mtime);
  const entries: JournalEntry[] = [];
  const cut = new Set<string>();
  const before = new Map<string, ResultCounts>();
  const uncounted = new Set<string>();
  let left = maxTailsBytes;
  for (const { path, size, ...owner } of journals) {
    const wanted = Math.min(size, tailBytes, left);
    const start = wanted < size ? await lineStart(files, path, size - wanted) : 0;
    left -= wanted;
    if (start > 0) {
      cut.add(owner.worker);
      const counts = await counter.count(files, path, start).catch(() => undefined);
      if (counts === undefined) uncounted.add(owner.worker);
      else before.set(owner.worker, sumOf(before.get(owner.worker), counts));
    }
    if (wanted === 0) continue;
    for await (const lines of linesOf(files, path, start)) {
      for (const { text } of lines) {
        const entry = parseJournalLine(text, owner);
        if (entry !== undefined) entries.push(entry);
      }
    }
  }
  return { entries, cut, before, uncounted };
}

function sumOf(some: ResultCounts | undefined, more: ResultCounts): ResultCounts {
  return { done: (some?.done ?? 0) + more.done, failed: (some?.failed ?? 0) + more.failed };
}

/** Where the first whole line after `position` begins; the end of the file if there is none. */
async function lineStart(files: HistoryFiles, path: string, position: number): Promise<number> {
  for (let at = position; ;) {
    const bytes = Buffer.from(await readOrNone(files, path, at));
    if (bytes.length === 0) return at;
    const end = bytes.indexOf(LINE_FEED);
    if (end !== -1) return at + end + 1;
    at += bytes.length;
  }
}

export interface ResultCounts {
  readonly done: number;
  readonly failed: number;
}

/*
 * Done and failed steps are counted without parsing their lines.
 */

/** How a line ends: `result` is an entry's last key, and quotes inside of texts are escaped. */
const ENDS = {
  done: Buffer.from('"result":"done"}\n'),
  failed: Buffer.from('"result":"failed"}\n'),
};
const MAX_END_BYTES = Math.max(ENDS.done.length, ENDS.failed.length);
const COUNTED_CHUNK_BYTES = 1024 * 1024;
/** Limit of one call: about half a second of reading. */
const MAX_COUNTED_BYTES = 256 * 1024 * 1024;

/** Keeps its counts between calls: journals only grow. */
export class JournalCounter {
  readonly #known = new Map<string, ResultCounts & { readonly end: number }>();
  readonly #maxBytes: number;

  constructor(maxBytes: number = MAX_COUNTED_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Counts the lines that end before the byte `end`. Undefined if more than `maxBytes` would have to be read. */
  async count(files: HistoryFiles, path: string, end: number): Promise<ResultCounts | undefined> {
    let { done, failed, end: position } = this.#known.get(path) ?? { done: 0, failed: 0, end: 0 };
    if (end - position > this.#maxBytes) return undefined;
    let rest = await files.readAt(
      path,
      Math.max(0, position - MAX_END_BYTES),
      Math.min(position, MAX_END_BYTES),
    );
    while (position < end) {
      const bytes = await files.readAt(
        path,
        position,
        Math.min(COUNTED_CHUNK_BYTES, end - position),
      );
      if (bytes.length === 0) break;
      const chunk = Buffer.concat([rest, bytes]);
      done += countOf(chunk, ENDS.done, rest.length);
      failed += countOf(chunk, ENDS.failed, rest.length);
      position += bytes.length;
      rest = chunk.subarray(-MAX_END_BYTES);
    }
    this.#known.set(path, { done, failed, end: position });
    return { done, failed };
  }
}

/** Counts only lines that end after `from`: the others were counted before. */
function countOf(chunk: Buffer, end: Buffer, from: number): number {
  let count = 0;
  for (let at = chunk.indexOf(end); at !== -1; at = chunk.indexOf(end, at + end.length)) {
    if (at + end.length > from) count += 1;
  }
  return count;
}

/** By name of the file, bytes. */
type Positions = Map<string, number>;

/**
 * A page of all journals' entries. A cursor is how many bytes of each journal were read: entries that come later are after it,
 * whatever the clock of their session says. `since`: ISO 8601, volume time. An unknown cursor is that of the first page.
 */
export async function readTicks(
  files: HistoryFiles,
  layout: Layout,
  since: string | undefined,
  { after, limit }: Page,
): Promise<TickPage> {
  const from = since === undefined ? Number.NEGATIVE_INFINITY : Date.parse(since);
  const positions = parseCursor(after);
  const starts = new Map<string, number>();
  const unread: JournalPath[] = [];
  for (const journal of await findJournals(files, layout)) {
    const stat = await files.stat(journal.path);
    const position = positions.get(nameOf(journal.path)) ?? 0;
    starts.set(journal.path, position);
    if (stat !== undefined && stat.size > position && stat.mtime >= from) unread.push(journal);
  }
  const sources = await sourcesOf(files, unread, starts);
  const ticks: JournalEntry[] = [];
  while (ticks.length < limit) {
    const source = sources.pop();
    if (source === undefined) break;
    const { entry, path, end } = source.next;
    if (endOf(entry) >= from) ticks.push(entry);
    positions.set(nameOf(path), end);
    await insertNext(sources, source.rest, source.ended);
  }
  return { ticks, next: JSON.stringify([...positions]) };
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

function parseCursor(cursor: string | undefined): Positions {
  try {
    const pairs = JSON.parse(cursor ?? '[]') as [unknown, unknown][];
    const isPosition = ([name, bytes]: [unknown, unknown]): boolean =>
      typeof name === 'string' && Number.isSafeInteger(bytes);
    return new Map(pairs.filter(isPosition) as [string, number][]);
  } catch {
    return new Map();
  }
}
