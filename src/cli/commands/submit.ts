/** `flockwork submit`: puts state files into a volume. */
import { randomUUID } from 'node:crypto';
import { UserError } from '../../machine/errors.ts';
import type { Candidate } from '../../engine/validate.ts';
import type { SubmitResult } from '../../engine/engine.ts';
import { readCandidates } from '../read-state-files.ts';
import { COMMON, EXIT, LOGGING, type Command, type Io } from '../command.ts';
import { directoryOf } from '../directories.ts';
import { gatherKnowledge, refuseUnknown } from '../known-machines.ts';
import { countedInstances, instancesOfFiles, instancesOfLines } from '../new-instances.ts';
import type { Settings } from '../options.ts';
import { submitAll } from '../submissions.ts';
import { submitFromInboxes } from './submit-watch.ts';

/** More outcomes are printed as a summary. */
const MAX_LISTED_OUTCOMES = 20;

export const submit: Command = {
  name: 'submit',
  describe: 'Put state files into a volume, atomically and without overwriting',
  positional: {
    name: 'paths',
    describe: 'State files, or folders of them; with --each, any files',
    many: true,
  },
  options: [
    ...COMMON,
    'machine',
    'payload',
    'count',
    'instance-name',
    'each',
    'from',
    'machines',
    'dry-run',
    'watch',
    'json',
    ...LOGGING,
  ],
  optionTexts: {
    watch: { describe: 'Submit files that are dropped into the folders PATHS, until stopped' },
    machine: { describe: 'Make new instances of this machine: NAME or NAME:VERSION' },
    machines: {
      describe:
        'Check against the machines in this folder or file only, not those of workers; may be repeated',
    },
  },
  excludes: { from: ['paths', 'each', 'payload', 'count'], each: ['payload', 'count'] },
  needs: {
    payload: ['machine'],
    count: ['machine'],
    'instance-name': ['machine'],
    each: ['machine'],
    from: ['machine'],
  },
  examples: [
    [
      '$0 submit simpleStates interestingStates --dir /mnt/states',
      'all state files of two folders',
    ],
    [
      '$0 submit --watch /data/inbox --dir /mnt/states',
      'each state file that is dropped into a folder',
    ],
    [`$0 submit --machine countdown --payload '{"count": 3}' --count 10`, 'ten new instances'],
    [
      '$0 submit --machine thumbnails --each photos/*.jpg',
      'an instance for each file, its payload {"path": "/…/photos/a.jpg"}; repeating it adds nothing',
    ],
    [
      '$0 submit --machine orders --from orders.jsonl --name orders-may',
      'an instance for each line, orders-may-1 and so on; - is standard input',
    ],
  ],
  run: async (settings, paths, io) => {
    if (settings.watch) return submitFromInboxes(settings, paths, io);
    const directory = directoryOf(settings, 'submit');
    const unique = randomUUID().slice(0, 8);
    const candidates = await candidatesOf(settings, paths, unique, io);
    const knowledge = await gatherKnowledge(directory, settings.machines);
    // New instances all have the same machine and state.
    const looked = settings.machine === undefined ? candidates : candidates.slice(0, 1);
    for (const warning of refuseUnknown(looked, knowledge)) io.say(`warning: ${warning}`);
    const dryRun = settings['dry-run'];
    const outcomes = await submitAll(directory, candidates, { dryRun }, io);
    if (settings.json) io.print(JSON.stringify(Object.fromEntries(outcomes)));
    else for (const line of describe(outcomes, dryRun)) io.print(line);
    refuseTaken(outcomes);
    if (outcomes.size === candidates.length) return EXIT.done;
    io.say(`stopped after ${outcomes.size} of ${candidates.length}`);
    return EXIT.incomplete;
  },
};

async function candidatesOf(
  settings: Settings,
  paths: readonly string[],
  unique: string,
  io: Io,
): Promise<Candidate[]> {
  const { machine, payload, count, each, from, 'instance-name': given } = settings;
  const isNamed = machine !== undefined;
  if (isNamed ? paths.length > 0 !== each : paths.length === 0) {
    const message = each
      ? 'submit --each needs PATHS'
      : 'expected PATHS, or new instances with --machine (for files: --each)';
    throw new UserError('usage', `${message}; see flockwork submit --help`);
  }
  if (!isNamed)
    return notNone(readCandidates(paths), `no state file (NAME.state) in ${paths.join(', ')}`);
  if (each)
    return notNone(instancesOfFiles(machine, paths, given), `no file in ${paths.join(', ')}`);
  if (from === undefined) return countedInstances(machine, payload, count, { given, unique });
  const lines = await instancesOfLines(machine, from, { given, unique }, io.stop);
  return notNone(lines, `no line in ${from}`);
}

function notNone(candidates: Candidate[], otherwise: string): Candidate[] {
  if (candidates.length > 0) return candidates;
  throw new UserError('nothing', `nothing to submit: there is ${otherwise}`);
}

function describe(outcomes: ReadonlyMap<string, SubmitResult>, dryRun: boolean): string[] {
  const say = (outcome: SubmitResult): string =>
    dryRun && outcome === 'submitted' ? 'would be submitted' : outcome;
  const lines =
    outcomes.size > MAX_LISTED_OUTCOMES
      ? []
      : [...outcomes].map(([name, outcome]) => `${name}: ${say(outcome)}`);
  if (outcomes.size <= 1) return lines;
  const counts = (['submitted', 'there already', 'name taken'] as const).map((kind) => {
    const count = [...outcomes.values()].filter((outcome) => outcome === kind).length;
    return count === 0 ? [] : [`${count.toLocaleString('en')} ${say(kind)}`];
  });
  return [...lines, counts.flat().join(', ')];
}

/** Throws `name-taken`. */
function refuseTaken(outcomes: ReadonlyMap<string, SubmitResult>): void {
  const taken = [...outcomes].filter(([, outcome]) => outcome === 'name taken');
  if (taken.length === 0) return;
  const names = taken.slice(0, MAX_LISTED_OUTCOMES).map(([name]) => name);
  if (taken.length > MAX_LISTED_OUTCOMES)
    names.push(`and ${taken.length - MAX_LISTED_OUTCOMES} more`);
  throw new UserError(
    'name-taken',
    `kept as they are, because other files have these names: ${names.join(', ')}; submit them under other names`,
  );
}
