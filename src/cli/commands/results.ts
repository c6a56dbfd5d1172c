/** `flockwork results`: prints the outputs of finished instances. */
import { parseStateName } from '../../machine/name.ts';
import { readResults, type Result } from '../../volume/instances.ts';
import { COMMON, EXIT, type Command, type Io } from '../command.ts';
import type { Settings } from '../options.ts';
import { clockTime, table } from '../tables.ts';
import { onEach, requireVolume, type OpenedVolume } from '../volumes.ts';

/** For people; `--json` prints all. */
const DEFAULT_PAGE_RESULTS = 100;
const RESULTS_PER_PROGRESS = 1000;

export const results: Command = {
  name: 'results',
  describe: 'Print the outputs of finished instances',
  positional: { name: 'instances', describe: 'Only these instances', many: true },
  options: [...COMMON, 'machine', 'prefix', 'limit', 'all', 'jsonl', 'json'],
  optionTexts: {
    machine: { describe: 'Instances of this machine: NAME or NAME:VERSION', group: 'Which' },
    all: { describe: 'Print those of branches, too', group: 'Which' },
  },
  examples: [
    ['$0 results --dir /mnt/states', 'a table of the first hundred'],
    ['$0 results --jsonl | jq .output', 'all of them, one JSON object a line'],
    ['$0 results --machine thumbnails --all', 'of one machine, with those of branches'],
  ],
  run: (settings, words, io) =>
    onEach(asJson(settings), io, async (opened, each) => {
      await requireVolume(opened);
      await resultsOn(opened, asJson(settings), words, each);
      return EXIT.done;
    }),
};

const asJson = (settings: Settings): Settings => ({
  ...settings,
  json: settings.json || settings.jsonl,
});

async function resultsOn(
  { files, layout }: OpenedVolume,
  { machine, prefix = '', limit, all, json }: Settings,
  words: readonly string[],
  io: Io,
): Promise<void> {
  const most = limit ?? (json ? Number.POSITIVE_INFINITY : DEFAULT_PAGE_RESULTS);
  const named = new Set(words.map((word) => parseStateName(word)?.instance ?? word));
  const isWanted = (instance: string): boolean =>
    instance.startsWith(prefix) && (named.size === 0 || named.has(instance));
  const found: Result[] = [];
  let count = 0;
  for await (const result of readResults(files, layout, isWanted)) {
    if (io.stop.aborted) break;
    const isOther =
      machine !== undefined && result.machine?.split(':')[0] !== machine.split(':')[0];
    if (isOther || (result.isBranch && !all && named.size === 0)) continue;
    count += 1;
    if (count > most) break;
    if (count % RESULTS_PER_PROGRESS === 0) io.draw?.(`${count} results`);
    const { isBranch: _isBranch, ...told } = result;
    if (json) io.print(JSON.stringify(told));
    else found.push(result);
    await io.printed();
  }
  io.draw?.('');
  if (!json) io.print(describe(found));
  if (count > most) io.say(`… and more: raise --limit, or print all with --jsonl`);
}

function describe(found: readonly Result[]): string {
  if (found.length === 0) return 'nothing has finished';
  const rows = found.map(({ instance, machine, state, finished, output, payload }) => [
    instance,
    machine ?? '',
    state ?? '',
    finished === undefined ? '' : `${finished.slice(0, 10)} ${clockTime(finished)}`,
    output === undefined
      ? `(no output) ${JSON.stringify(payload) ?? ''}`.trim()
      : JSON.stringify(output),
  ]);
  return table(['instance', 'machine', 'ended in', 'finished', 'output'], rows);
}
