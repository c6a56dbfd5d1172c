/** `flockwork worker`: runs a worker on each of one or more volumes. */
import { setFlagsFromString } from 'node:v8';
import { processIdentity } from '../../api/node-ports.ts';
import type { Log } from '../../engine/ports.ts';
import { UserError } from '../../machine/errors.ts';
import { InvariantError } from '../../machine/invariant.ts';
import type { Registry } from '../../machine/registry.ts';
import { Layout } from '../../volume/layout.ts';
import { NodeFiles } from '../../volume/node-files.ts';
import { readSessions } from '../../volume/overview.ts';
import { nameInUse } from '../../volume/registration.ts';
import { workerNameProblem, type Token } from '../../volume/token.ts';
import { ConcurrencyLimit } from '../../worker/concurrency-limit.ts';
import {
  COMMON,
  defaultWorkerName,
  EXIT,
  FOUND,
  LOGGING,
  WORK_EXITS,
  type Command,
} from '../command.ts';
import { checkInboxes, openInboxes } from '../inbox/inboxes.ts';
import { createLog } from '../log.ts';
import { MachineFiles, watchMachines } from '../machine-files.ts';
import type { OptionName, Settings } from '../options.ts';
import { PHASES } from '../settings.ts';
import { directoriesOf } from '../volumes.ts';
import { startTicks, prepare, work } from '../work.ts';

/**
 * Keeps V8's young generation at its first size. In a worker that gets through quick ticks it grows to 128 MB of garbage, and
 * costs as much processor time as with 32 MB (measured).
 */
function limitYoungGeneration(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** Descriptions of `--machine` and `--each` for inboxes. */
export const INBOX_TEXTS: NonNullable<Command['optionTexts']> = {
  machine: {
    describe: 'With --inbox and --each: machine of the new instances, NAME or NAME:VERSION',
  },
  each: {
    describe:
      'With --inbox and --machine: an instance for each file, with {"path": …} as its payload',
  },
};

const INBOX_OPTIONS: readonly OptionName[] = ['inbox', 'machine', 'each'];

/** Options of a worker: `up` passes all of these on. */
export const WORK: readonly OptionName[] = [
  ...PHASES,
  'lease',
  'assign',
  'concurrency',
  'threads',
  'capacity',
  'follow',
  'watch',
  'fsync',
  'eager',
  'expect',
  'gather',
  'drain',
  'keep',
  'keep-outcomes',
  'machines',
  ...INBOX_OPTIONS,
  'trust-volume',
  'example-delay',
  ...LOGGING,
];

export const worker: Command = {
  name: 'worker',
  describe: 'Work on volumes until nothing is left; with --watch, until stopped',
  options: [...COMMON, 'name', ...WORK],
  optionTexts: INBOX_TEXTS,
  exits: WORK_EXITS,
  examples: [
    ['$0 worker --dir /mnt/states', 'work until nothing is left anywhere'],
    ['$0 worker --dir /mnt/vol-1 --dir /mnt/vol-2', 'the same on several volumes'],
    [
      '$0 worker --dir /mnt/states --watch --machines ./machines',
      'run until stopped, with your own machines',
    ],
    [
      '$0 worker --dir /mnt/states --watch --inbox /data/scans --machine scan --each',
      'each file that is dropped into a folder becomes an instance',
    ],
    [
      '$0 worker --dir /mnt/states --assign zip --assignment 3s --commitment 3s --update 3s --buffer 1s --concurrency 1 --no-follow',
      'share a volume with the original program',
    ],
  ],
  run: async (settings, _words, io) => {
    limitYoungGeneration();
    const wanted = settings.name ?? defaultWorkerName(io);
    const problem = workerNameProblem(wanted);
    if (problem !== undefined) throw new UserError('bad-name', problem, { name: wanted });
    const directories = directoriesOf(settings);
    const name = await chooseName(directories, wanted, settings.name !== undefined);
    refuseTooFew(settings, directories);
    checkInboxes(settings, directories);
    const machineFiles = new MachineFiles(settings.machines);
    await machineFiles.load();
    const isAlone = directories.length === 1;
    const exit = new ExitStatus(isAlone);
    const prepared = await Promise.all(
      directories.map((directory) => {
        const log = createLog(settings, { worker: name, ...(!isAlone && { dir: directory }) });
        return exit.of(log, () => prepare(directory, settings, log));
      }),
    );
    const volumes = prepared.filter((one) => one !== undefined);
    if (volumes.length === 0) return exit.status;
    const lease = Math.min(...volumes.map(({ leaseMs }) => leaseMs));
    const log = isAlone ? volumes[0]!.log : createLog(settings, { worker: name });
    const ticks = await startTicks(settings, { log, print: io.data, machineFiles, lease });
    // All volumes, also those that could not be opened: an instance may be there already.
    const inboxes = await openInboxes(settings.inbox, directories, settings, log);
    const slots = new ConcurrencyLimit(settings.concurrency);
    const concurrency = partOf(settings.concurrency, directories);
    const stop = AbortSignal.any([io.stop, exit.crashed]);
    const capacity = Math.max(concurrency, partOf(settings.capacity, directories));
    const machines = (): Registry => machineFiles.registry;
    const config = { name, machines, settings, concurrency, capacity, slots, stop };
    const unwatch = settings.watch ? await watchMachines(machineFiles, log) : undefined;
    try {
      await Promise.all(
        volumes.map((one) =>
          exit.of(one.log, async () => {
            const moreToCome = inboxes.moreToCome();
            const { failed } = await work(one, { ...config, execute: ticks.execute, moreToCome });
            exit.status = Math.max(exit.status, failed > 0 ? EXIT.failed : EXIT.done);
          }),
        ),
      );
    } finally {
      await unwatch?.();
      await inboxes.close();
      await ticks.close();
    }
    return exit.status;
  },
};

const CRASHED =
  'a bug in flockwork: this worker has stopped and commits nothing more, others recover what it held; ' +
  'report this line, and start the worker again';

/** The exit status over all volumes. An error on one volume does not end the workers on the others, unless it is a bug. */
class ExitStatus {
  readonly #isAlone: boolean;
  readonly #crash = new AbortController();
  status: number = EXIT.done;

  /** Aborts at a bug: what it may have done to the rest of the process is not known. */
  readonly crashed: AbortSignal = this.#crash.signal;

  constructor(isAlone: boolean) {
    this.#isAlone = isAlone;
  }

  /** Resolves to undefined if `act` failed. With a single volume, throws instead, unless it was a bug. */
  async of<Result>(log: Log, act: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await act();
    } catch (error) {
      if (error instanceof InvariantError) {
        log.error({ code: error.code, ...error.facts, err: error }, CRASHED);
        this.status = FOUND.crash;
        this.#crash.abort();
        return undefined;
      }
      if (this.#isAlone) throw error;
      const facts = error instanceof UserError ? { code: error.code } : { err: error };
      log.error(facts, (error as Error).message);
      this.status = Math.max(this.status, EXIT.usage);
      return undefined;
    }
  }
}

const partOf = (whole: number, directories: readonly string[]): number =>
  Math.floor(whole / directories.length);

/** Throws `too-few-ticks`: a volume without a part of the concurrency would never progress. */
export function refuseTooFew({ concurrency }: Settings, directories: readonly string[]): void {
  const { length } = directories;
  if (concurrency >= length) return;
  const message =
    `expected a --concurrency of at least ${length}, one for each volume, got ${concurrency}; ` +
    'raise it, or give this worker fewer volumes';
  throw new UserError('too-few-ticks', message, { concurrency, directories });
}

/**
 * The worker's name: a second worker on the same host learns at once that a name is taken. `wanted`, unless a process that certainly runs on this host uses it on one of the volumes: then `wanted-2`, and so on. If
 * the user has given the name (`isGiven`), throws `name-in-use` instead. Workers of other hosts and containers are detected
 * later, by their leases.
 */
export async function chooseName(
  directories: readonly string[],
  wanted: string,
  isGiven: boolean,
): Promise<string> {
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    const rival = await runningRival(directories, name);
    if (rival === undefined) return name;
    if (isGiven) throw nameInUse(rival);
  }
}

async function runningRival(
  directories: readonly string[],
  name: string,
): Promise<Token | undefined> {
  const files = new NodeFiles();
  for (const directory of directories) {
    // Problems of the volume are reported when it is opened.
    const tokens = await readSessions(files, new Layout(directory), `${name}.`).catch(() => []);
    const rival = tokens.find((token) => token.worker === name && isRunning(token));
    if (rival !== undefined) return rival;
  }
  return undefined;
}

function isRunning({ pid, process: identity }: Token): boolean {
  return identity !== undefined && identity === processIdentity(pid);
}
