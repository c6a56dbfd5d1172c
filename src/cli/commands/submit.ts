/** `flockwork submit`: puts state files into a volume: those of its arguments, or those dropped into folders. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setImmediate as yieldToSignals } from 'node:timers/promises';
import type { SubmitResult } from '../../engine/engine.ts';
import { problemsOf, type Candidate } from '../../engine/validate.ts';
import { UserError } from '../../machine/errors.ts';
import { Layout } from '../../volume/layout.ts';
import { NodeFiles } from '../../volume/node-files.ts';
import { readVolume } from '../../volume/open.ts';
import { outcomeOfExisting, submitStates } from '../../volume/submit.ts';
import {
  readCandidates,
  countedInstances,
  instancesOfFiles,
  instancesOfLines,
} from '../candidates.ts';
import { COMMON, EXIT, LOGGING, ONE_VOLUME, type Command, type Io } from '../command.ts';
import { checkInboxes, openInboxes } from '../inbox/inboxes.ts';
import { gatherKnowledge, refuseUnknown } from '../known-machines.ts';
import { createLog } from '../log.ts';
import type { Settings } from '../options.ts';
import { namesText } from '../tables.ts';
import { directoryOf, openExisting, type OpenedVolume } from '../volumes.ts';

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
    ...ONE_VOLUME,
    watch: {
      describe: 'Submit files that are dropped into the folders PATHS, until stopped',
      group: 'What runs',
    },
    'log-format': { describe: 'With --watch: format of the log on standard error' },
    'log-level': { describe: 'With --watch: lowest level that is logged' },
    machine: { describe: 'Submit new instances of this machine: NAME or NAME:VERSION' },
    machines: {
      describe:
        'Folder of machines, or one such file: check against these only, not those of workers; may be repeated',
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
  exits:
    '0 submitted, or there already, 2 wrong usage, unusable volume, or a name is taken, ' +
    '3 stopped before the end, 130 stopped by Ctrl-C.',
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
    const outcomes = await submitAll(directory, candidates, settings, io);
    if (settings.json) io.print(JSON.stringify(Object.fromEntries(outcomes)));
    else for (const line of describe(outcomes, settings['dry-run'])) io.print(line);
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
  const names = namesText(
    taken.map(([name]) => name),
    MAX_LISTED_OUTCOMES,
  );
  throw new UserError(
    'name-taken',
    `cannot submit ${names}: other instances have these names; choose others`,
  );
}

/** Candidates between two checks for signals of a dry run; fewer show no progress. */
const CANDIDATES_PER_TURN = 1000;

/**
 * Submits all candidates, none if one of them has a problem; ends early after `stop`. Resolves to the outcomes, by
 * name; with `--dry-run`, to those that it would have. Throws `bad-state`, with every problem, and what `openExisting` does.
 */
export async function submitAll(
  directory: string,
  candidates: readonly Candidate[],
  { 'dry-run': dryRun }: Pick<Settings, 'dry-run'>,
  { stop, draw }: Pick<Io, 'stop' | 'draw'>,
): Promise<Map<string, SubmitResult>> {
  const problems = problemsOf(candidates);
  if (problems.length > 0) {
    throw new UserError('bad-state', `nothing was submitted:\n  ${problems.join('\n  ')}`, {
      problems,
    });
  }
  const opened = await openExisting(directory);
  if (dryRun) return submitNone(opened, candidates, stop);
  const [only] = candidates;
  if (only === undefined || stop.aborted) return new Map();
  const { files, layout, client } = opened;
  if (candidates.length === 1) {
    const [outcome] = await client.submit([only]);
    return new Map([[only.name, outcome!]]);
  }
  const all = candidates.length.toLocaleString('en');
  // As the contract does it, but with progress, and the outcomes of those that were tried before a signal.
  const outcomes = await submitStates(files, layout, candidates, {
    unique: randomUUID(),
    stop,
    yieldToSignals: async (count) => {
      draw?.(`${count.toLocaleString('en')} of ${all}`);
      await yieldToSignals();
    },
  });
  if (candidates.length >= CANDIDATES_PER_TURN) draw?.('');
  // A power cut must not undo a submission that was reported.
  await files.sync(layout.root);
  return outcomes;
}

/** The outcomes without the submission. */
async function submitNone(
  { files, layout }: OpenedVolume,
  candidates: readonly Candidate[],
  stop: AbortSignal,
): Promise<Map<string, SubmitResult>> {
  const outcomes = new Map<string, SubmitResult>();
  for (const candidate of candidates) {
    if (outcomes.size % CANDIDATES_PER_TURN === CANDIDATES_PER_TURN - 1) await yieldToSignals();
    if (stop.aborted) break;
    const there = await outcomeOfExisting(files, layout, candidate);
    outcomes.set(candidate.name, there ?? 'submitted');
  }
  return outcomes;
}

/** With `--watch`: submits files that are dropped into folders, until stopped. Throws `usage`, `no-inbox`, `bad-inbox`, and what `readVolume` does. */
async function submitFromInboxes(
  settings: Settings,
  paths: readonly string[],
  io: Io,
): Promise<number> {
  if (paths.length === 0) {
    throw new UserError(
      'usage',
      'submit --watch needs PATHS, the folders to watch; see flockwork submit --help',
    );
  }
  const volume = directoryOf(settings, 'submit');
  checkInboxes({ ...settings, inbox: [...paths] }, [volume]);
  await readVolume(new NodeFiles(), new Layout(volume));
  const inboxes = await openInboxes(paths, [volume], settings, createLog(settings, {}));
  if (!io.stop.aborted) await once(io.stop, 'abort');
  await inboxes.close();
  return EXIT.done;
}
