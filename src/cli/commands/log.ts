/** `flockwork log`: all workers' journals in one, like `parallel --joblog`. */
import { readJournal } from '../../volume/overview.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { openAll } from '../volume.ts';

const COLUMNS = ['started', 'duration', 'state', 'machine', 'worker', 'attempt', 'result'] as const;

export const log: Command = {
  name: 'log',
  describe:
    'Every tick of every worker in the order of time, tab-separated, like parallel --joblog',
  options: [...COMMON, 'json'],
  examples: [
    [
      '$0 log --dir /mnt/states',
      'started, duration in ms, state, machine, worker, attempt, result',
    ],
    ['$0 log --json', 'one JSON object a line'],
  ],
  run: async (settings, _words, io) => {
    const volumes = await openAll(settings);
    const journal = (
      await Promise.all(
        volumes.map(async ({ files, layout }) =>
          (await readJournal(files, layout)).map((entry) => ({ ...entry, dir: layout.root })),
        ),
      )
    )
      .flat()
      .sort((a, b) => (a.started < b.started ? -1 : Number(a.started > b.started)));
    const isOne = volumes.length === 1;
    if (!settings.json) io.print([...COLUMNS, ...(isOne ? [] : ['dir'])].join('\t'));
    for (const { dir, ...entry } of journal) {
      const line = COLUMNS.map((column) => String(entry[column]));
      const full = isOne ? entry : { ...entry, dir };
      io.print(
        settings.json ? JSON.stringify(full) : [...line, ...(isOne ? [] : [dir])].join('\t'),
      );
    }
    return EXIT.done;
  },
};
