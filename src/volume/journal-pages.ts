/**
 * Pages of the journals. A cursor is how many bytes of each journal were read: entries that come later are after it, whatever
 * the clock of their session says.
 */
import type { JournalEntry, Page, TickPage } from '../engine/engine.ts';
import { findJournals, readOrNone, type HistoryFiles, type JournalPath } from './history.ts';
import { parseJournalLine } from './journal.ts';
import type { Layout } from './layout.ts';

const LINE_FEED = 10;

/** By name of the file, bytes. */
type Positions = Map<string, number>;

/** A session's journal while it is read: its next entry. */
interface Source {
  readonly rest: AsyncGenerator<Placed, void>;
  readonly next: Placed;
  /** When the entry ended, ms; not less than those before it. */
  readonly ended: number;
}

interface Placed {
  readonly entry: JournalEntry;
  readonly file: string;
  /** Position of the byte after its line. */
  readonly end: number;
}

/** `since`: ISO 8601, volume time. An unknown cursor is that of the first page. */
export async function readTicks(
  files: HistoryFiles,
  layout: Layout,
  since: string | undefined,
  { after, limit }: Page,
): Promise<TickPage> {
  const from = since === undefined ? Number.NEGATIVE_INFINITY : Date.parse(since);
  const positions = parseCursor(after);
  const unread: JournalPath[] = [];
  for (const journal of await findJournals(files, layout)) {
    const stat = await files.stat(journal.path);
    const position = positions.get(nameOf(journal)) ?? 0;
    if (stat !== undefined && stat.size > position && stat.mtime >= from) unread.push(journal);
  }
  let sources: Source[] = [];
  for (const parts of Map.groupBy(unread, ({ session }) => session).values()) {
    const first = await nextOf(entriesOf(files, parts, positions), Number.NEGATIVE_INFINITY);
    if (first !== undefined) sources.push(first);
  }
  const ticks: JournalEntry[] = [];
  while (sources.length > 0 && ticks.length < limit) {
    const source = sources.reduce((best, one) => (one.ended < best.ended ? one : best));
    const { entry, file, end } = source.next;
    if (endOf(entry) >= from) ticks.push(entry);
    positions.set(file, end);
    const next = await nextOf(source.rest, source.ended);
    sources = sources.filter((one) => one !== source);
    if (next !== undefined) sources.push(next);
  }
  return { ticks, next: JSON.stringify([...positions]) };
}

const nameOf = ({ path }: JournalPath): string => path.slice(path.lastIndexOf('/') + 1);
const endOf = ({ started, duration }: JournalEntry): number => Date.parse(started) + duration;

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

async function* entriesOf(
  files: HistoryFiles,
  parts: readonly JournalPath[],
  positions: Positions,
): AsyncGenerator<Placed, void> {
  for (const part of parts) {
    const file = nameOf(part);
    for await (const { text, end } of linesFrom(files, part.path, positions.get(file) ?? 0)) {
      const entry = parseJournalLine(text, part);
      if (entry !== undefined) yield { entry, file, end };
    }
  }
}

/** Whole lines, each with the position after it. */
async function* linesFrom(
  files: HistoryFiles,
  path: string,
  from: number,
): AsyncGenerator<{ readonly text: string; readonly end: number }, void> {
  let rest = Buffer.alloc(0);
  for (let start = from; ;) {
    const bytes = await readOrNone(files, path, start + rest.length);
    if (bytes.length === 0) return;
    const all = Buffer.concat([rest, bytes]);
    let at = 0;
    for (let end = all.indexOf(LINE_FEED); end !== -1; end = all.indexOf(LINE_FEED, at)) {
      yield { text: all.toString('utf8', at, end), end: start + end + 1 };
      at = end + 1;
    }
    start += at;
    rest = all.subarray(at);
  }
}

async function nextOf(
  rest: AsyncGenerator<Placed, void>,
  before: number,
): Promise<Source | undefined> {
  const { value: next } = await rest.next();
  if (next === undefined) return undefined;
  return { rest, next, ended: Math.max(before, endOf(next.entry)) };
}
