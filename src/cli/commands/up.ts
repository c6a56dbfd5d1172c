/** `flockwork up`: submits files, and runs several local workers until everything is done. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { UserError } from '../../machine/errors.ts';
import {
  takeCensus,
  readClaims,
  readFailures,
  seesOpenState,
  type Census,
  type Overview,
} from '../../volume/overview.ts';
import type { SubmitResult } from '../../engine/engine.ts';
import type { JournalEntry } from '../../volume/operations.ts';
import { journalSizes } from '../../volume/history.ts';
import { Layout } from '../../volume/layout.ts';
import { NodeFiles } from '../../volume/node-files.ts';
import { readCandidates } from '../candidates.ts';
import { COMMON, defaultWorkerName, EXIT, WORK_EXITS, type Command, type Io } from '../command.ts';
import { directoriesOf, directoryOf, entriesOfAll, sumOf, type OpenedVolume } from '../volumes.ts';
import { passedOn, quoted, repeated } from '../settings.ts';
import { checkInboxes } from '../inbox/inboxes.ts';
import { createLog } from '../log.ts';
import type { Settings } from '../options.ts';
import { entryPoint } from '../own-package.ts';
import { submitAll } from './submit.ts';
import { realClock } from '../../api/node-ports.ts';
import { INBOX_TEXTS, refuseTooFew, WORK } from './worker.ts';
import { flagTable, namesText, progressLine, workTable } from '../tables.ts';

/** Between looks at the flags; at least `LOOK_PAUSE_FACTOR` times what the last look took. */
const LOOK_INTERVAL_MS = 300;
const LOOK_PAUSE_FACTOR = 10;
/** In the progress line. */
const MAX_SHOWN_CLAIMS = 8;
/** In the final table; `flockwork log` prints all. */
const MAX_LISTED_TICKS = 1000;

/** Names of instances that an error lists. */
const MAX_LISTED_TAKEN = 20;

/** Processors that this process may use: its affinity and the limit of its container count. */
const PROCESSORS = availableParallelism();

export const up: Command = {
  name: 'up',
  describe: 'Submit state files, and run several workers here until nothing is left',
  positional: {
    name: 'paths',
    describe: 'State files, or folders of them, to submit first',
    many: true,
  },
  options: [...COMMON, 'workers', 'name', ...WORK, 'json'],
  optionTexts: {
    ...INBOX_TEXTS,
    name: {
      describe: "Prefix of the workers' names: NAME-1, NAME-2, …",
    },
    concurrency: { describe: 'Ticks at a time in each worker, over all volumes' },
    capacity: {
      describe: 'Maximum number of states held at a time by each worker, over all volumes',
    },
    dir: {
      describe:
        'The volume: a directory that all workers share; may be repeated, but not with PATHS',
    },
    expect: { defaultText: '--workers' },
    'log-format': { defaultText: 'pretty' },
  },
  exits: WORK_EXITS,
  examples: [
    ['$0 up simpleStates interestingStates', 'the examples, in ./stateFiles'],
    [
      '$0 up --dir /mnt/states --workers 8 --machines ./machines',
      'work on existing states; the workers are HOSTNAME-1 … HOSTNAME-8',
    ],
  ],
  run: async (settings, paths, io) => {
    const directories = directoriesOf(settings);
    refuseTooFew(settings, directories);
    checkInboxes(settings, directories);
    for (const directory of directories) mkdirSync(directory, { recursive: true });
    const submitted =
      paths.length === 0
        ? new Map<string, SubmitResult>()
        : await submitAll(
            directoryOf(settings, 'up with PATHS'),
            readCandidates(paths),
            settings,
            io,
          );
    if (io.stop.aborted) return EXIT.incomplete;
    const taken = [...submitted].filter(([, outcome]) => outcome === 'name taken');
    if (taken.length > 0) {
      const names = namesText(
        taken.map(([name]) => name),
        MAX_LISTED_TAKEN,
      );
      throw new UserError(
        'name-taken',
        `cannot submit ${names}: other instances have these names; choose others (no worker was started)`,
      );
    }
    const files = new NodeFiles();
    const volumes = directories.map((directory) => ({ files, layout: new Layout(directory) }));
    const sizes = await each(volumes, journalSizes);
    const idle = settings.inbox.length === 0 ? await censusesIfIdle(volumes) : undefined;
    const nothingToDo = idle !== undefined;
    const statuses: number[] = [];
    if (settings.watch || !nothingToDo) {
      const workers = startWorkers(settings, directories, io);
      await showProgress(workers, volumes, io);
      statuses.push(...workers.statuses);
    }
    const censuses = idle === undefined || settings.watch ? await takeCensuses(volumes) : idle;
    const failed = await each(volumes, (_, layout, index) =>
      readFailures(files, layout, censuses[index]!),
    );
    const after = { census: sumOf(censuses), failed: failed.flat() };
    const ticked = await readTicks(volumes, sizes);
    return summarize({ after, ticked, nothingToDo, statuses }, settings, io);
  },
};

type Volumes = readonly Pick<OpenedVolume, 'files' | 'layout'>[];

function each<Found>(
  volumes: Volumes,
  read: (files: NodeFiles, layout: Layout, index: number) => Promise<Found>,
): Promise<Found[]> {
  return Promise.all(volumes.map(({ files, layout }, index) => read(files, layout, index)));
}

const takeCensuses = (volumes: Volumes): Promise<Census[]> =>
  each(volumes, (files, layout) => takeCensus(files, layout));

/** Undefined if there is something to do: then a look at a few states is mostly enough, and not all are counted. */
async function censusesIfIdle(volumes: Volumes): Promise<Census[] | undefined> {
  if ((await each(volumes, seesOpenState)).includes(true)) return undefined;
  const censuses = await takeCensuses(volumes);
  const { available, inProgress, events } = sumOf(censuses);
  return available + inProgress + events === 0 ? censuses : undefined;
}

interface LocalWorkers {
  readonly statuses: number[];
  readonly ended: Promise<unknown>;
}

/** Each worker is a process of its own, as on another host; its output lines begin with its name. */
function startWorkers(settings: Settings, directories: readonly string[], io: Io): LocalWorkers {
  const statuses: number[] = [];
  const places = directories.map((directory) => `--dir=${directory}`);
  const base = settings.name ?? defaultWorkerName(io);
  const count = settings.workers ?? PROCESSORS;
  // A few more do little harm: 16 on two processors drain at a fifth of the rate of two.
  if (count > 2 * PROCESSORS) warnOfProcesses(settings, count);
  const passed = passedOn({ ...settings, expect: settings.expect ?? count }, WORK);
  const children = Array.from({ length: count }, (_, index) => {
    const name = `${base}-${index + 1}`;
    const child = spawn(
      process.execPath,
      [entryPoint(), 'worker', ...places, '--name', name, ...passed],
      // Detached from the terminal: Ctrl-C reaches this process only, which then stops its workers once. The workers notice
      // by the IPC channel when this process ends, for any reason.
      { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true },
    );
    // With --json, standard output is for the result only.
    relay(child, name, settings.json ? { ...io, print: io.say } : io);
    return { child, name };
  });
  const stopAll = (): void => {
    for (const { child } of children) child.kill('SIGTERM');
  };
  io.stop.addEventListener('abort', stopAll, { once: true });
  // At a second signal this process ends at once; this second SIGTERM ends the workers, too.
  process.once('exit', stopAll);
  const ended = Promise.all(
    children.map(async ({ child }) => {
      const [code] = (await once(child, 'close')) as [number | null];
      statuses.push(code ?? EXIT.incomplete);
    }),
  ).finally(() => {
    io.stop.removeEventListener('abort', stopAll);
    process.off('exit', stopAll);
  });
  return { statuses, ended };
}

/** Each process compiles the program for itself: a second of processor time, of which others cannot make use. */
function warnOfProcesses(settings: Settings, workers: number): void {
  const format = settings['log-format'] ?? 'pretty';
  createLog({ ...settings, 'log-format': format }, {}).warn(
    { workers, processors: PROCESSORS },
    'more workers than processors: each costs a second of processor time to start; raise --concurrency for ticks that wait, --threads for ticks that compute',
  );
}

function relay(child: ChildProcess, name: string, io: Io): void {
  for (const [stream, write] of [
    [child.stdout, io.print],
    [child.stderr, io.say],
  ] as const) {
    createInterface({ input: stream! }).on('line', (line) => {
      io.draw?.('');
      write(stream === child.stdout ? `${name} | ${line}` : line);
    });
  }
}

async function showProgress(workers: LocalWorkers, volumes: Volumes, io: Io): Promise<void> {
  const over = new AbortController();
  void workers.ended.finally(() => over.abort());
  const started = realClock.monotonic();
  while (io.draw !== undefined && !over.signal.aborted) {
    const began = realClock.monotonic();
    const censuses = await takeCensuses(volumes);
    const held = await each(volumes, (files, layout, index) =>
      readClaims(files, layout, censuses[index]!.names.inProgress.slice(0, MAX_SHOWN_CLAIMS)),
    );
    const now = realClock.monotonic();
    io.draw(
      progressLine(
        sumOf(censuses),
        held.flat().slice(0, MAX_SHOWN_CLAIMS),
        now - started,
        process.stderr.columns,
      ),
    );
    await realClock.sleep(
      Math.max(LOOK_INTERVAL_MS, LOOK_PAUSE_FACTOR * (now - began)),
      over.signal,
    );
  }
  io.draw?.('');
  await workers.ended;
}

interface TickSummary {
  readonly listed: readonly JournalEntry[];
  readonly ticks: number;
}

/** Ticks since the journals had these `sizes`. */
async function readTicks(
  volumes: Volumes,
  sizes: readonly ReadonlyMap<string, number>[],
): Promise<TickSummary> {
  const listed: JournalEntry[] = [];
  let ticks = 0;
  for await (const entries of entriesOfAll(volumes, sizes)) {
    ticks += entries.length;
    listed.push(...entries.slice(0, MAX_LISTED_TICKS - listed.length));
  }
  return { listed, ticks };
}

interface UpSummary {
  readonly after: Pick<Overview, 'census' | 'failed'>;
  readonly ticked: TickSummary;
  readonly nothingToDo: boolean;
  readonly statuses: readonly number[];
}

function summarize(
  { after, ticked, nothingToDo, statuses }: UpSummary,
  settings: Settings,
  io: Io,
): number {
  const { census, failed } = after;
  const left = census.available + census.inProgress;
  const { listed: journal, ticks } = ticked;
  if (settings.json) {
    io.print(JSON.stringify({ done: census.done, failed, left, ticks, journal }));
  } else {
    if (ticks > 0) io.print(`\n${workTable(journal)}`);
    if (ticks > journal.length) {
      io.print(`… and ${ticks - journal.length} more: flockwork log ${placesOf(settings)}`);
    }
    if (ticks > 0) io.print('');
    io.print(flagTable(census, census.isArchiveSampled, failed));
    io.print(closing(census, nothingToDo, settings));
  }
  const broken = statuses.find((status) => status !== EXIT.done && status !== EXIT.failed);
  if (broken !== undefined && broken < 128) return broken;
  if (census.failed > 0) return EXIT.failed;
  return left > 0 ? EXIT.incomplete : EXIT.done;
}

function closing(
  { available, inProgress, waiting, failed, done }: Census,
  nothingToDo: boolean,
  settings: Settings,
): string {
  const volume = placesOf(settings);
  const left = available + inProgress;
  if (left > 0) {
    const again = ['flockwork up', volume, ...repeated(settings, WORK)].join(' ');
    return `\n${left} states are left: ${again} continues.`;
  }
  if (failed > 0) {
    return `\n${failed} failed: flockwork status ${volume} prints the reasons, flockwork retry --all ${volume} makes them available again.`;
  }
  if (done + waiting === 0) {
    return `\nThere are no states yet: flockwork submit FILE ${volume} adds one, or copy .state files there, then run this command again.`;
  }
  const intro = nothingToDo ? 'Everything was done already.' : 'Everything is done.';
  return (
    `\n${intro} To run it all again: flockwork reset --all ${volume}, then this command ` +
    `(in a checkout: npm run -s flockwork -- reset --all ${volume}).`
  );
}

const placesOf = ({ dir }: Settings): string => dir.map((one) => `--dir ${quoted(one)}`).join(' ');
