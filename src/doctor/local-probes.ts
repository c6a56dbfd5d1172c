/** Probes of single properties in this process. `judge.ts` judges their results. */
import { readText } from '../volume/atomic-files.ts';
import { errnoOf, type Files } from '../volume/files.ts';
import {
  OPERATIONS,
  type Durable,
  type LinkLimit,
  type Links,
  type Listing,
  type Modes,
  type NameSupport,
  type Replacing,
  type Latency,
  type Operation,
  type Stamps,
} from './measured.ts';
import type { Bench } from './bench.ts';
import {
  addSample,
  startVolumeClock,
  uncertaintyAt,
  type VolumeClock,
} from '../volume/phases/volume-clock.ts';
import { formatCounter } from '../volume/heartbeat.ts';

const PERMISSION_BITS = 0o7777;
const STICKY_BIT = 0o1000;
const MAX_NAME_BYTES = 255;
const MIN_LINKS_TRIED = 110;
const MAX_LINKS_TRIED = 1100;
const LINK_PROBE_MS = 1000;

/** Returns the errno of a rejected promise, undefined if it resolved. Rethrows errors without an errno. */
export async function errnoFrom(trial: Promise<unknown>): Promise<string | undefined> {
  try {
    await trial;
    return undefined;
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    return code;
  }
}

export async function probeModes({ files, directory, places }: Bench): Promise<Modes> {
  const path = `${places[0]}/modes`;
  const wanted =
    ((await files.stat(`${directory}/.`))?.mode ?? 0o755) & PERMISSION_BITS & ~STICKY_BIT;
  await files.makeDirectory(path);
  const errno = await errnoFrom(files.chmod(path, wanted));
  const mode = (await files.stat(path))?.mode;
  return { wanted, got: mode === undefined ? undefined : mode & PERMISSION_BITS, errno };
}

/** Links two files to one name: the second link must be refused. */
export async function probeLinks({ files, host, places }: Bench): Promise<Links> {
  const at = (name: string): string => `${places[0]}/${name}`;
  await files.create(at('one'), 'one');
  await files.create(at('two'), 'two');
  const errno = await errnoFrom(files.link(at('one'), at('name')));
  if (errno !== undefined) return { errno, refusal: undefined, kept: false, count: 1 };
  const refusal = await errnoFrom(files.link(at('two'), at('name')));
  const kept = (await readText(files, at('name'))) === 'one';
  return { errno, refusal, kept, count: host.linkCount(at('one')) };
}

/** Known limits: GlusterFS 100 by default, on bricks of ext4 47; NTFS 1023. */
export async function probeLinkLimit({ files, clock, places }: Bench): Promise<LinkLimit> {
  const directory = `${places[0]}/links`;
  await files.makeDirectory(directory);
  await files.create(`${directory}/0`, '');
  const until = clock.monotonic() + LINK_PROBE_MS;
  let reached = 1;
  for (; reached < MAX_LINKS_TRIED; reached += 1) {
    if (reached >= MIN_LINKS_TRIED && clock.monotonic() > until) break;
    const errno = await errnoFrom(files.link(`${directory}/0`, `${directory}/${reached}`));
    if (errno !== undefined) return { reached, errno };
  }
  return { reached, errno: undefined };
}

export async function probeDurable({ files, places }: Bench): Promise<Durable> {
  const path = `${places[0]}/durable`;
  const content = 'written content\n'.repeat(64);
  await files.create(path, content);
  const fileErrno = await errnoFrom(files.sync(path));
  const directoryErrno = await errnoFrom(files.sync(places[0]!));
  return { intact: (await readText(files, path)) === content, fileErrno, directoryErrno };
}

/** Lists the directory before the change, so that a cache has a stale listing. */
export async function probeListing({ files, places }: Bench): Promise<Listing> {
  await files.list(places[0]!);
  await files.create(`${places[0]}/fresh`, '');
  return { fresh: (await files.list(places[0]!)).includes('fresh') };
}

export async function probeNames({ files, places }: Bench): Promise<NameSupport> {
  const at = (name: string): string => `${places[0]}/${name}`;
  const foreign = 'größe-大きさ';
  await files.create(at('Case'), '');
  const longErrno = await errnoFrom(files.create(at('x'.repeat(MAX_NAME_BYTES)), ''));
  const foreignErrno = await errnoFrom(files.create(at(foreign), ''));
  const listed = (await files.list(places[0]!)).includes(foreign);
  return {
    caseSensitive: (await files.stat(at('cASE'))) === undefined,
    longErrno,
    utf8: foreignErrno === undefined && listed,
  };
}

export async function probeReplacing({ files, places }: Bench): Promise<Replacing> {
  const at = (name: string): string => `${places[0]}/${name}`;
  await files.create(at('old'), 'old');
  await files.create(at('new'), 'new');
  const renameErrno = await errnoFrom(files.rename(at('new'), at('old')));
  const replaced = (await readText(files, at('old'))) === 'new';
  await files.makeDirectory(at('full'));
  await files.create(at('full/file'), '');
  const removeErrno = await errnoFrom(files.removeDirectory(at('full')));
  return { renameErrno, replaced, removeErrno };
}

const MAX_LATENCY_ROUNDS = 60;
/** A slow volume gets fewer rounds, but at least `MIN_LATENCY_ROUNDS`. */
const MAX_LATENCY_MS = 6000;
const MIN_LATENCY_ROUNDS = 3;
const LATENCY_CONTENT = 'x'.repeat(256);

const RUN_OPERATION: Readonly<
  Record<Operation, (files: Files, directory: string, index: number) => Promise<unknown>>
> = {
  create: (files, directory, index) => files.create(`${directory}/${index}`, LATENCY_CONTENT),
  'fsync file': (files, directory, index) => files.sync(`${directory}/${index}`),
  overwrite: (files, directory, index) => files.overwrite(`${directory}/${index}`, LATENCY_CONTENT),
  read: (files, directory, index) => files.read(`${directory}/${index}`),
  stat: (files, directory, index) => files.stat(`${directory}/${index}`),
  link: (files, directory, index) =>
    files.link(`${directory}/${index}`, `${directory}/link-${index}`),
  'fsync directory': (files, directory) => files.sync(directory),
  list: (files, directory) => files.list(directory),
  rename: (files, directory, index) =>
    files.rename(`${directory}/${index}`, `${directory}/renamed-${index}`),
  unlink: (files, directory, index) => files.unlink(`${directory}/renamed-${index}`),
};

/** Measures how long each operation takes. One that the volume refuses has no entry. */
export async function probeLatency({ files, clock, places, stop }: Bench): Promise<Latency[]> {
  const directory = `${places[0]}/latency`;
  await files.makeDirectory(directory);
  const times = new Map<Operation, number[]>(OPERATIONS.map((operation) => [operation, []]));
  const until = clock.monotonic() + MAX_LATENCY_MS;
  for (let index = 0; index < MAX_LATENCY_ROUNDS; index += 1) {
    stop.throwIfAborted();
    if (index >= MIN_LATENCY_ROUNDS && clock.monotonic() > until) break;
    for (const [operation, taken] of times) {
      const begin = clock.monotonic();
      await RUN_OPERATION[operation](files, directory, index).then(
        () => taken.push(clock.monotonic() - begin),
        () => undefined,
      );
    }
  }
  return [...times]
    .filter(([, taken]) => taken.length > 0)
    .map(([operation, taken]) => ({ operation, ...summary(taken) }));
}

function summary(taken: number[]): { median: number; p95: number; count: number } {
  const sorted = taken.sort((a, b) => a - b);
  const at = (part: number): number => sorted[Math.ceil(part * sorted.length) - 1]!;
  return { median: at(0.5), p95: at(0.95), count: sorted.length };
}

/** As many as a session takes before its first phase. */
const SAMPLE_COUNT = 5;
/** So that the samples do not all fall into one tick of a kernel. */
const SAMPLE_INTERVAL_MS = 7;
/** Coarsest first. */
const GRANULARITIES_MS = [1000, 100, 10, 1];

/** Measures the volume's time, how exactly a session would know it, and the granularity of time stamps. */
export async function probeStamps(bench: Bench): Promise<Stamps> {
  const clocks: VolumeClock[] = [];
  const mtimes: number[] = [];
  for (const [index, place] of bench.places.entries()) {
    clocks.push(await sampleClock(bench, `${place}/stamp-${index}`, mtimes));
  }
  const now = bench.clock.monotonic();
  return {
    offsets: clocks.map(({ low, high }) => ({ low, high })),
    uncertainty: Math.max(...clocks.map((one) => uncertaintyAt(one, now))),
    granularity: granularityOf(mtimes),
  };
}

async function sampleClock(
  { files, clock }: Bench,
  path: string,
  mtimes: number[],
): Promise<VolumeClock> {
  let known = startVolumeClock();
  await files.create(path, formatCounter(0));
  for (let counter = 1; counter <= SAMPLE_COUNT; counter += 1) {
    const before = Math.floor(clock.now());
    await files.overwrite(path, formatCounter(counter));
    const after = Math.floor(clock.now()) + 1;
    const mtime = (await files.stat(path))?.mtime ?? Number.NaN;
    known = addSample(known, { before, after, mtime, monotonic: clock.monotonic() });
    mtimes.push(mtime);
    await clock.sleep(SAMPLE_INTERVAL_MS);
  }
  return known;
}

function granularityOf(mtimes: readonly number[]): number {
  return GRANULARITIES_MS.find((step) => mtimes.every((mtime) => mtime % step === 0)) ?? 0;
}
