/** `flockwork list`: lists instances, by machine, state and status. */
import { formatDuration } from '../../machine/duration.ts';
import { compareCodePoints } from '../../volume/phases/order.ts';
import {
  listInstances,
  listStatuses,
  readInstance,
  statusOf,
  type InstanceLine,
} from '../../volume/instances.ts';
import { COMMON, EXIT, type Command, type Io } from '../command.ts';
import type { Settings } from '../options.ts';
import { realClock } from '../../api/node-ports.ts';
import { table } from '../tables.ts';
import { onEach, requireVolume, type OpenedVolume } from '../volume.ts';

/** For people; `--json` prints all. */
const DEFAULT_PAGE_INSTANCES = 100;
/** State files between two updates of the progress line. */
const FILES_PER_PROGRESS = 1000;

export const list: Command = {
  name: 'list',
  describe: 'Instances, with machine, state and status',
  options: [...COMMON, 'machine', 'state', 'status', 'prefix', 'after', 'limit', 'all', 'json'],
  optionTexts: {
    machine: { describe: 'Instances of this machine: NAME or NAME:VERSION', group: 'Which' },
    all: { describe: 'Branches of forks, too', group: 'Which' },
  },
  examples: [
    ['$0 list --status failed', 'what has failed'],
    ['$0 list --machine order --state paid', 'reads the state file of every candidate'],
    ['$0 list --prefix order- --after order-0099', 'the next page'],
    ['$0 list --json | jq -r .instance', 'one JSON object a line'],
  ],
  run: (settings, _words, io) =>
    onEach(settings, io, async (opened, each) => {
      await requireVolume(opened);
      await listOn(opened, settings, each);
      return EXIT.done;
    }),
};

async function listOn(opened: OpenedVolume, settings: Settings, io: Io): Promise<void> {
  const { files, layout } = opened;
  const { after, prefix = '', machine, state, json } = settings;
  const limit = settings.limit ?? (json ? Number.POSITIVE_INFINITY : DEFAULT_PAGE_INSTANCES);
  const isWanted = (instance: string): boolean =>
    instance.startsWith(prefix) && (after === undefined || compareCodePoints(instance, after) > 0);
  const names = await listInstances(files, layout, isWanted, settings.all);
  const wanted = settings.status?.replace('-', ' ');
  const known = wanted === undefined ? undefined : await listStatuses(files, layout);
  const candidates =
    known === undefined ? names : names.filter(({ name }) => known(name) === wanted);
  const isFiltered = machine !== undefined || state !== undefined;
  const lines: InstanceLine[] = [];
  let [read, count, last, hasMore] = [0, 0, '', false];
  for (const one of candidates) {
    hasMore = count >= limit;
    if (io.stop.aborted || (hasMore && !isFiltered)) break;
    const status = known?.(one.name) ?? (await statusOf(files, layout, one.name));
    const line = await readInstance(files, layout, one, status);
    read += 1;
    if (read % FILES_PER_PROGRESS === 0) {
      io.draw?.(`reading state files: ${read} of ${candidates.length}`);
    }
    if (!fits(line, machine, state)) {
      hasMore = false;
      continue;
    }
    if (hasMore) break;
    [count, last] = [count + 1, one.instance];
    if (!json) lines.push(line);
    else {
      io.print(JSON.stringify(line));
      await io.printed();
    }
  }
  io.draw?.('');
  if (!json) io.print(describe(lines));
  if (hasMore) io.say(`… and more: flockwork list --after ${last}`);
}

function fits(line: InstanceLine, machine: string | undefined, state: string | undefined): boolean {
  const isOfMachine =
    machine === undefined || line.machine === machine || line.machine?.split(':')[0] === machine;
  return isOfMachine && (state === undefined || line.state === state);
}

function describe(lines: readonly InstanceLine[]): string {
  if (lines.length === 0) return 'no such instances';
  const now = realClock.now();
  const rows = lines.map(({ instance, machine, state, status, since }) => [
    instance,
    machine ?? '',
    state ?? '',
    status,
    since === undefined ? '' : formatDuration(Math.max(0, now - Date.parse(since))),
  ]);
  return table(['instance', 'machine', 'state', 'is', 'for'], rows);
}
