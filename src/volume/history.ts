/**
 * Reads the journals: all entries in the order of time, their ends, and the entries of one instance.
 * Memory does not grow with history.
 */
import { parseStateName, compareCodePoints } from '../machine/name.ts';
import type { JournalEntry } from './operations.ts';
import { listOrNone } from './atomic-files.ts';
import { errnoOf, type Files } from './files.ts';
import { parseJournalLine, parseJournalName, type JournalFile } from './journal.ts';
import { JournalCounter, type ResultCounts } from './journal-counts.ts';
import type { Layout } from './layout.ts';

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

export interface JournalPath extends JournalFile {
  readonly path: string;
}

/** In the order of sessions and parts. */
export async function findJournals(files: Files, layout: Layout): Promise<JournalPath[]> {
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

/** Whole lines, a chunk's at a time. Skips a last line without its line feed: it is being written, or was cut short. */
async function* linesOf(
  files: HistoryFiles,
  path: string,
  from: number,
): AsyncGenerator<string[], void> {
  let rest = Buffer.alloc(0);
  for (let position = from; ;) {
    const bytes = await readOrNone(files, path, position);
    if (bytes.length === 0) return;
    position += bytes.length;
    const all = Buffer.concat([rest, bytes]);
    const end = all.lastIndexOf(LINE_FEED) + 1;
    rest = all.subarray(end);
    if (end > 0) yield all.toString('utf8', 0, end - 1).split('\n');
  }
}

/** A chunk of a file; empty at its end, and for a file that is gone: journals may be moved away at any time. */
export async function readOrNone(
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

async function* entriesOfSession(
  files: HistoryFiles,
  parts: readonly JournalPath[],
  from: ReadonlyMap<string, number>,
): AsyncGenerator<JournalEntry, void> {
  for (const part of parts) {
    for await (const lines of linesOf(files, part.path, from.get(part.path) ?? 0)) {
      for (const line of lines) {
        const entry = parseJournalLine(line, part);
        if (entry !== undefined) yield entry;
      }
    }
  }
}

/** A session's journal while it is read: the next entry, and when it ended, ms. */
interface Source {
  readonly rest: AsyncGenerator<JournalEntry, void>;
  readonly entry: JournalEntry;
  readonly ended: number;
}

/** Lines are written when ticks are settled, nearly in the order of their ends: `ended` is made monotonic here. */
async function nextOf(
  rest: AsyncGenerator<JournalEntry, void>,
  before: number,
): Promise<Source | undefined> {
  const { value: entry } = await rest.next();
  if (entry === undefined) return undefined;
  return { rest, entry, ended: Math.max(before, Date.parse(entry.started) + entry.duration) };
}

/** Invariant: sorted, the latest first, so that `pop` takes the earliest. */
function insert(sources: Source[], source: Source): void {
  let [low, high] = [0, sources.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sources[middle]!.ended > source.ended) low = middle + 1;
    else high = middle;
  }
  sources.splice(low, 0, source);
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
  const sources: Source[] = [];
  const parts = Map.groupBy(await findJournals(files, layout), ({ session }) => session);
  for (const one of parts.values()) {
    const source = await nextOf(entriesOfSession(files, one, from), Number.NEGATIVE_INFINITY);
    if (source !== undefined) insert(sources, source);
  }
  let held: JournalEntry[] = [];
  for (let first = sources.pop(); first !== undefined; first = sources.pop()) {
    held.push(first.entry);
    const next = await nextOf(first.rest, first.ended);
    if (next !== undefined) insert(sources, next);
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
      for (const line of lines) {
        const entry = line.includes(written) ? parseJournalLine(line, file) : undefined;
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
      for (const line of lines) {
        const entry = parseJournalLine(line, owner);
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
