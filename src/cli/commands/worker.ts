/** `flockwork worker`: a worker on a volume, or on several at a time. */
import { hostname } from 'node:os';
import { UserError } from '../../machine/errors.ts';
import { workerNameProblem } from '../../volume/token.ts';
import { Slots } from '../../worker/slots.ts';
import { COMMON, EXIT, LOGGING, type Command } from '../command.ts';
import { directoriesOf } from '../directories.ts';
import { loadMachines } from '../machines.ts';
import type { OptionName, Settings } from '../options.ts';
import { PHASES } from '../phases.ts';
import { createLog, hostName } from '../real.ts';
import { work } from '../work.ts';

/** What makes a worker go: `up` passes all of these on. */
export const WORK: readonly OptionName[] = [
  ...PHASES,
  'lease',
  'assign',
  'concurrency',
  'capacity',
  'follow',
  'watch',
  'fsync',
  'eager',
  'drain',
  'machines',
  'example-delay',
  ...LOGGING,
];

export const worker: Command = {
  name: 'worker',
  describe: 'Work on volumes until nothing is left, or for ever with --watch',
  options: [...COMMON, 'name', ...WORK],
  examples: [
    ['$0 worker --dir /mnt/states', 'work until nothing is left anywhere'],
    [
      "$0 worker --dir '/mnt/vol-*'",
      'the same on several volumes; --concurrency is for all of them together',
    ],
    [
      '$0 worker --dir /mnt/states --watch --machines ./machines',
      'go on for ever, with your own machines',
    ],
    [
      '$0 worker --dir /mnt/states --assign zip --assignment 3s --commitment 3s --update 3s --buffer 1s --concurrency 1 --no-follow',
      'share a volume with the original program',
    ],
  ],
  run: async (settings, _words, io) => {
    const name = settings.name ?? hostName(io, hostname());
    const problem = workerNameProblem(name);
    if (problem !== undefined) throw new UserError('bad-name', problem, { name });
    const directories = directoriesOf(settings);
    refuseTooFew(settings, directories);
    const registry = await loadMachines(settings.machines);
    const slots = new Slots(settings.concurrency);
    const concurrency = partOf(settings.concurrency, directories);
    const statuses = await Promise.all(
      directories.map(async (directory) => {
        const isAlone = directories.length === 1;
        const log = createLog(settings, { worker: name, ...(!isAlone && { dir: directory }) });
        const capacity = Math.max(concurrency, partOf(settings.capacity, directories));
        try {
          const post = {
            name,
            directory,
            registry,
            settings,
            concurrency,
            capacity,
            slots,
            log,
            io,
          };
          const { failed } = await work(post);
          return failed > 0 ? EXIT.failed : EXIT.done;
        } catch (error) {
          // The others' work is none of its business.
          if (isAlone) throw error;
          const isKnown = error instanceof UserError;
          log.error(isKnown ? { code: error.code } : { err: error }, (error as Error).message);
          return EXIT.usage;
        }
      }),
    );
    return Math.max(...statuses);
  },
};

const partOf = (whole: number, directories: readonly string[]): number =>
  Math.floor(whole / directories.length);

/** Throws `too-few-ticks`: on a volume without its part nothing would ever be done. */
export function refuseTooFew({ concurrency }: Settings, directories: readonly string[]): void {
  const { length } = directories;
  if (concurrency >= length) return;
  const message =
    `--concurrency ${concurrency} is for all volumes together, and each of the ${length} needs one: ` +
    `make it ${length} at least, or give this worker fewer volumes`;
  throw new UserError('too-few-ticks', message, { concurrency, directories });
}
