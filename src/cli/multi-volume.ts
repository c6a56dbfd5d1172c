/** Several volumes as one: sums of their counts, and their journals in the order of time. */
import type { JournalEntry } from '../volume/operations.ts';
import type { Census } from '../volume/census.ts';
import { entriesInOrder } from '../volume/history.ts';
import type { OpenedVolume } from './volume.ts';

const BATCH_ENTRIES = 1000;

const COUNTS = [
  'available',
  'delayed',
  'inProgress',
  'waiting',
  'events',
  'done',
  'archived',
  'failed',
] as const;
const NAMES = ['available', 'waiting', 'inProgress', 'failed'] as const;

export function sumOf(censuses: readonly Census[]): Census {
  const sums = COUNTS.map((key) => [key, censuses.reduce((sum, one) => sum + one[key], 0)]);
  const names = NAMES.map((key) => [key, censuses.flatMap((one) => one.names[key])]);
  return {
    ...(Object.fromEntries(sums) as Pick<Census, (typeof COUNTS)[number]>),
    isArchiveSampled: censuses.some(({ isArchiveSampled }) => isArchiveSampled),
    names: Object.fromEntries(names) as Census['names'],
  };
}

/** `dir`: the entry's volume. */
export type PlacedEntry = JournalEntry & { readonly dir: string };

interface Source {
  readonly dir: string;
  readonly rest: AsyncIterator<JournalEntry[], void>;
  entries: readonly JournalEntry[];
  next: number;
}

/** `from`: by volume, bytes of each journal to skip. Otherwise as `entriesInOrder`. */
export async function* entriesOfAll(
  volumes: readonly Pick<OpenedVolume, 'files' | 'layout'>[],
  from: readonly ReadonlyMap<string, number>[] = [],
): AsyncGenerator<PlacedEntry[], void> {
  const sources: Source[] = [];
  for (const [index, { files, layout }] of volumes.entries()) {
    const rest = entriesInOrder(files, layout, from[index]);
    const source: Source = { dir: layout.root, rest, entries: [], next: 0 };
    if (await hasMore(source)) sources.push(source);
  }
  let merged: PlacedEntry[] = [];
  while (sources.length > 0) {
    const first = sources.reduce((best, one) => (startOf(one) < startOf(best) ? one : best));
    merged.push({ ...first.entries[first.next]!, dir: first.dir });
    first.next += 1;
    if (!(await hasMore(first))) sources.splice(sources.indexOf(first), 1);
    if (merged.length < BATCH_ENTRIES) continue;
    yield merged;
    merged = [];
  }
  yield merged;
}

const startOf = ({ entries, next }: Source): string => entries[next]!.started;

async function hasMore(source: Source): Promise<boolean> {
  while (source.next === source.entries.length) {
    const { value } = await source.rest.next();
    if (value === undefined) return false;
    source.entries = value;
    source.next = 0;
  }
  return true;
}
