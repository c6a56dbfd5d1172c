/** `flockwork up`: submit, and run several local workers until everything is done. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../machine/errors.ts';
import { Layout } from '../../volume/layout.ts';
import { NodeFiles } from '../../volume/node-files.ts';
import { readOverview, type Overview } from '../../volume/overview.ts';
import { readCandidates, submitAll } from '../candidates.ts';
import { COMMON, EXIT, type Command, type Io } from '../command.ts';
import { directoriesOf } from '../directories.ts';
import { OPTIONS, type Settings } from '../options.ts';
import { hostName, realClock } from '../real.ts';
import { flagTable, progressLine, workTable } from '../tables.ts';
import { sumOf } from '../sum.ts';
import { refuseTooFew, WORK } from './worker.ts';

/** Milliseconds between looks at the flags. */
const LOOK = 300;

const WORKERS = 4;

export const up: Command = {
  name: 'up',
  describe: 'Submit state files, and run several workers here until everything is done',
  positional: {
    name: 'paths',
    describe: 'State files, or folders of them, to submit first',
    many: true,
  },
  options: [...COMMON, 'workers', 'name', ...WORK, 'json'],
  examples: [
    ['$0 up simpleStates interestingStates', 'the examples, in ./stateFiles'],
    [
      '$0 up --dir /mnt/states --workers 8 --machines ./machines',
      'work on what is there; the workers are HOSTNAME-1 … HOSTNAME-8',
    ],
  ],
  run: async (settings, paths, io) => {
    const directories = directoriesOf(settings);
    refuseTooFew(settings, directories);
    for (const directory of directories) mkdirSync(directory, { recursive: true });
    const submitted = await submitAll(directories, readCandidates(paths), randomUUID().slice(0, 8));
    const taken = [...submitted].filter(([, outcome]) => outcome === 'name taken');
    if (taken.length > 0) {
      const names = taken.map(([name]) => name).join(', ');
      throw new UserError(
        'name-taken',
        `other files have these names on the volume: ${names}; nothing was started`,
      );
    }
    const files = new NodeFiles();
    const look = async (): Promise<Overview> =>
      sumOf(await Promise.all(directories.map((one) => readOverview(files, new Layout(one)))));
    const before = await look();
    if (!settings.watch && before.available.length + before.inProgress.length === 0) {
      return conclude(before, before, settings, io);
    }
    const crew = startWorkers(settings, directories, io);
    await showProgress(crew, look, io);
    return conclude(before, await look(), settings, io, crew.statuses);
  },
};

interface LocalCrew {
  readonly statuses: number[];
  readonly ended: Promise<unknown>;
}

/** Each worker is a process of its own, exactly as on another host; its lines are told apart by its name. */
function startWorkers(settings: Settings, directories: readonly string[], io: Io): LocalCrew {
  const statuses: number[] = [];
  const volumes = directories.map((directory) => `--dir=${directory}`);
  const base = settings.name ?? hostName(io, hostname());
  const children = Array.from({ length: settings.workers ?? WORKERS }, (_, index) => {
    const name = `${base}-${index + 1}`;
    const child = spawn(
      process.execPath,
      [entryPoint(), 'worker', ...volumes, '--name', name, ...passOn(settings)],
      // Out of the terminal's reach: Ctrl-C asks this process, and this process asks them, once.
      { stdio: ['ignore', 'pipe', 'pipe'], detached: true },
    );
    // With --json, standard output is for the program that asked.
    relay(child, name, settings.json ? { ...io, print: io.say } : io);
    return { child, name };
  });
  const stopAll = (): void => {
    for (const { child } of children) child.kill('SIGTERM');
  };
  io.stop.addEventListener('abort', stopAll, { once: true });
  // Asked twice, this process ends at once, and so do they: it is their second signal.
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

function entryPoint(): string {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  return fileURLToPath(new URL(`../main${extension}`, import.meta.url));
}

/** Every setting a worker has, as a flag: a child does not read the configuration file again. */
function passOn(settings: Settings): string[] {
  return WORK.flatMap((name) => {
    const value = settings[name];
    if (value === undefined) return name === 'log-format' ? ['--log-format=pretty'] : [];
    switch (OPTIONS[name].type) {
      case 'boolean':
        return [value === true ? `--${name}` : `--no-${name}`];
      case 'list':
        return (value as string[]).map((item) => `--${name}=${item}`);
      default:
        return [`--${name}=${String(value)}`];
    }
  });
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

async function showProgress(crew: LocalCrew, look: () => Promise<Overview>, io: Io): Promise<void> {
  const over = new AbortController();
  void crew.ended.finally(() => over.abort());
  const started = realClock.monotonic();
  while (!over.signal.aborted) {
    const overview = await look();
    io.draw?.(progressLine(overview, realClock.monotonic() - started, process.stderr.columns));
    await realClock.sleep(LOOK, over.signal);
  }
  io.draw?.('');
  await crew.ended;
}

function conclude(
  before: Overview,
  after: Overview,
  settings: Settings,
  io: Io,
  statuses: readonly number[] = [],
): number {
  const left = after.available.length + after.inProgress.length;
  const fresh = after.journal.slice(before.journal.length);
  if (settings.json) {
    const { done, failed, journal } = after;
    io.print(
      JSON.stringify({
        done: done.length,
        failed,
        left,
        journal: journal.slice(before.journal.length),
      }),
    );
  } else {
    if (fresh.length > 0) io.print(`\n${workTable(fresh)}\n`);
    io.print(flagTable(after));
    io.print(closing(before, left, settings));
  }
  const broken = statuses.find((status) => status !== EXIT.done && status !== EXIT.failed);
  if (broken !== undefined && broken < 128) return broken;
  if (after.failed.length > 0) return EXIT.failed;
  return left > 0 ? EXIT.incomplete : EXIT.done;
}

function closing(before: Overview, left: number, settings: Settings): string {
  const volume = settings.dir.map((dir) => `--dir ${quoted(dir)}`).join(' ');
  if (left > 0) return `\n${left} states are left: flockwork up ${volume} goes on with them.`;
  const nothingToDo = before.available.length + before.inProgress.length === 0;
  const intro = nothingToDo ? 'Everything was done already.' : 'Everything is done.';
  return (
    `\n${intro} To run it all again: flockwork reset --all ${volume}, then this command ` +
    `(in a checkout: npm run -s flockwork -- reset --all ${volume}).`
  );
}

/** As a shell takes it for one word, patterns included. */
function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
