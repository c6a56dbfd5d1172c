/** `flockwork reset`: make a volume run again. */
import { UserError } from '../../machine/errors.ts';
import {
  readLeases,
  resetDone,
  resetFailed,
  resetInProgress,
  resetTraces,
} from '../../volume/mend.ts';
import { COMMON, EXIT, type Command, type Io } from '../command.ts';
import type { Settings } from '../options.ts';
import { realClock } from '../real.ts';
import { onEach, type OpenedVolume } from '../volume.ts';

export const reset: Command = {
  name: 'reset',
  describe: 'Remove flags, so that states run again',
  options: [...COMMON, 'done', 'in-progress', 'failed', 'all', 'yes', 'json'],
  optionTexts: {
    all: { describe: 'All of them, and the journals: as it was submitted' },
  },
  excludes: { all: ['done', 'in-progress', 'failed'] },
  examples: [
    ['$0 reset --all', 'everything, with the successors and the journals: as it was submitted'],
    ['$0 reset --done', 'run what is done again, and what is archived'],
    ['$0 reset --in-progress', 'drop claims of workers that are gone (others do it by themselves)'],
  ],
  run: async (settings, _words, io) => {
    const { all, done, failed } = settings;
    if (!all && !done && !failed && !settings['in-progress']) {
      throw new UserError('usage', 'reset what? --done, --in-progress, --failed or --all');
    }
    return onEach(settings, io, (opened, each) => resetVolume(opened, settings, each));
  },
};

async function resetVolume(opened: OpenedVolume, settings: Settings, io: Io): Promise<number> {
  const { all } = settings;
  const done = all || settings.done;
  const failed = all || settings.failed;
  const inProgress = all || settings['in-progress'];
  const living = await findLiving(opened);
  if (living.size > 0 && (done || all)) {
    const names = [...living].join(', ');
    throw new UserError(
      'workers-alive',
      `workers are at work on this volume (${names}); stop them first`,
    );
  }
  const question = `Remove flags in ${opened.layout.root}, so that its states run again?`;
  if (!io.interactive && !settings.yes) {
    throw new UserError(
      'not-asked',
      'there is no terminal to ask on; with --yes it is done without asking',
    );
  }
  if (!settings.yes && !(await io.confirm(question))) {
    io.say('nothing was changed');
    return EXIT.incomplete;
  }
  const { files, layout } = opened;
  const result = {
    failed: failed ? await resetFailed(files, layout) : [],
    inProgress: inProgress ? await resetInProgress(files, layout, living) : [],
    ...(done ? await resetDone(files, layout) : { done: [], archived: [] }),
  };
  if (all) await resetTraces(files, layout, living);
  const { length: archived } = result.archived;
  const doneText = `${result.done.length} done${archived > 0 ? ` (${archived} of them archived)` : ''}`;
  const text = `removed ${doneText}, ${result.inProgress.length} in progress, ${result.failed.length} failed`;
  io.print(settings.json ? JSON.stringify(result) : text);
  return EXIT.done;
}

/** Sessions whose lease moves. It takes a lease's pulse to tell, and only where there are leases. */
async function findLiving({ files, layout, volume }: OpenedVolume): Promise<Set<string>> {
  const before = await readLeases(files, layout);
  if (before.size === 0 || volume === undefined) return new Set();
  // Two beats; there are five to a lease.
  await realClock.sleep((volume.lease * 2) / 5);
  const after = await readLeases(files, layout);
  return new Set(
    [...after]
      .filter(([session, counter]) => before.get(session) !== counter)
      .map(([session]) => session),
  );
}
