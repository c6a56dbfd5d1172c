/** `flockwork reset`: removes flags, so that states run again, and those of dead workers. */
import { UserError } from '../../machine/errors.ts';
import { parseStateName, stateName } from '../../machine/name.ts';
import {
  leftWorkers,
  resetProblemOf,
  resetTraces,
  resetWorkers,
  findLiving,
  refuseLiving,
  resetStates,
  resetStatuses,
} from '../../volume/admin.ts';
import { yieldingUntil } from '../signals.ts';
import { COMMON, EXIT, type Command, type Io } from '../command.ts';
import type { Settings } from '../options.ts';
import { realClock } from '../../api/node-ports.ts';
import { namesText } from '../tables.ts';
import { onEach, openAll, type OpenedVolume } from '../volumes.ts';

/** Names that a question lists. */
const MAX_NAMES = 10;

export const reset: Command = {
  name: 'reset',
  describe: 'Remove flags, so that states run again',
  positional: {
    name: 'names',
    describe: 'Done states, or instances (their first states), to run again with all that follow',
    many: true,
  },
  options: [...COMMON, 'done', 'in-progress', 'failed', 'worker-flags', 'all', 'yes', 'json'],
  optionTexts: {
    all: { describe: 'All flags and journals: the volume is as it was submitted' },
  },
  excludes: {
    names: ['done', 'in-progress', 'failed', 'worker-flags', 'all'],
    all: ['done', 'in-progress', 'failed', 'worker-flags'],
  },
  exits:
    '0 done, 2 wrong usage or unusable volume, 3 stopped before the end, or answered no, 130 stopped by Ctrl-C.',
  examples: [
    ['$0 reset --all', 'all flags, successors and journals: the volume is as it was submitted'],
    ['$0 reset --done', 'run done and archived states again'],
    ['$0 reset order-7.state-2', 'run one step again; what followed from it is removed first'],
    [
      '$0 reset --in-progress',
      'remove claims of workers that are gone (running workers also do this)',
    ],
    [
      '$0 reset --workers',
      'remove flags of workers that are gone, and those of the original program',
    ],
  ],
  run: async (settings, words, io) => {
    const { all, done, failed } = settings;
    if (words.length > 0) return resetNames(await openAll(settings), words, settings, io);
    if (!all && !done && !failed && !settings['in-progress'] && !settings['worker-flags']) {
      throw new UserError(
        'usage',
        'expected NAMES, --done, --in-progress, --failed, --workers or --all',
      );
    }
    return onEach(settings, io, (opened, each) => resetVolume(opened, settings, each));
  },
};

async function resetVolume(opened: OpenedVolume, settings: Settings, io: Io): Promise<number> {
  const { all } = settings;
  const done = all || settings.done;
  const failed = all || settings.failed;
  const inProgress = all || settings['in-progress'];
  const workers = all || settings['worker-flags'];
  const { files, layout } = opened;
  const living = await livingOn(opened, io);
  if (living === undefined) return EXIT.incomplete;
  if (done) refuseLiving(living);
  const flags = workers ? [...(await leftWorkers(files, layout, living)).keys()] : [];
  const isOnlyWorkers = workers && !all && !done && !failed && !inProgress;
  const question = isOnlyWorkers
    ? `Remove the flags of ${namesText(flags, MAX_NAMES)} in ${layout.root}/workers?`
    : `Remove flags in ${layout.root}, so that its states run again?`;
  const isNothing = isOnlyWorkers && flags.length === 0;
  if (!isNothing && !(await isMeant(question, settings, io))) return EXIT.incomplete;
  const goesOn = yieldingUntil(io.stop);
  const statuses = [
    ...(failed ? (['failed'] as const) : []),
    ...(inProgress ? (['in progress'] as const) : []),
    ...(done ? (['done'] as const) : []),
  ];
  const result = {
    ...(await resetStatuses(opened, statuses, living, goesOn)),
    workers: workers ? await resetWorkers(files, layout, living) : [],
  };
  if (io.stop.aborted) io.say('stopped; the volume can be used, or reset again');
  else if (all) await resetTraces(files, layout, living);
  const { length: archived } = result.archived;
  const doneText = `${result.done.length} done${archived > 0 ? ` (${archived} of them archived)` : ''}`;
  const text =
    `removed ${doneText}, ${result.inProgress.length} in progress, ${result.failed.length} failed` +
    (workers ? `, ${result.workers.length} of workers` : '');
  io.print(settings.json ? JSON.stringify(result) : text);
  return EXIT.done;
}

interface Meant {
  readonly name: string;
  readonly on: OpenedVolume;
}

/** Resets each state with all that follow from it. Throws `not-reset` before anything is changed. */
async function resetNames(
  volumes: readonly OpenedVolume[],
  words: readonly string[],
  settings: Settings,
  io: Io,
): Promise<number> {
  const meant: Meant[] = [];
  for (const word of words) meant.push(await find(volumes, word));
  for (const opened of volumes) {
    const living = await livingOn(opened, io);
    if (living === undefined) return EXIT.incomplete;
    refuseLiving(living);
  }
  const names = meant.map(({ name }) => name);
  const question = `Run ${namesText(names, MAX_NAMES)} again, and remove what followed from it?`;
  if (!(await isMeant(question, settings, io))) return EXIT.incomplete;
  const done: string[] = [];
  const goesOn = yieldingUntil(io.stop);
  for (const [on, all] of Map.groupBy(meant, (one) => one.on)) {
    const states = all.map(({ name }) => name);
    done.push(...(await resetStates(on, states, goesOn)).done);
  }
  io.print(
    settings.json
      ? JSON.stringify({ done })
      : `available again: ${names.join(', ')} (removed ${done.length} done)`,
  );
  return EXIT.done;
}

async function find(volumes: readonly OpenedVolume[], word: string): Promise<Meant> {
  const name = parseStateName(word) === undefined ? stateName(word, 0) : word;
  if (parseStateName(name) === undefined) {
    throw new UserError('bad-name', `"${word}" is not a valid name of a state file or an instance`);
  }
  const problems: string[] = [];
  for (const on of volumes) {
    const problem = await resetProblemOf(on.files, on.layout, name);
    if (problem === undefined) return { name, on };
    problems.push(problem);
  }
  throw new UserError('not-reset', `cannot reset ${name}: ${problems.join('; ')}`, { name });
}

async function isMeant(question: string, { yes }: Settings, io: Io): Promise<boolean> {
  if (io.stop.aborted) return false;
  if (!io.interactive && !yes) {
    throw new UserError(
      'not-asked',
      'cannot ask for confirmation: not on a terminal; use --yes to skip the question',
    );
  }
  if (yes || (await io.confirm(question))) return true;
  io.say('nothing was changed');
  return false;
}

/** Undefined if the user has stopped the command. */
async function livingOn(
  { files, layout, volume }: OpenedVolume,
  { stop }: Io,
): Promise<ReadonlySet<string> | undefined> {
  const ports = { files, layout, clock: realClock, leaseMs: volume?.lease };
  try {
    return await findLiving(ports, stop);
  } catch (error) {
    if (stop.aborted) return undefined;
    throw error;
  }
}
