/** `flockwork log`: all workers' journals in one, like `parallel --joblog`. */
import { readJournal } from '../../volume/overview.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { openExisting } from '../volume.ts';

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
    const { files, layout } = await openExisting(settings);
    const journal = await readJournal(files, layout);
    if (!settings.json) io.print(COLUMNS.join('\t'));
    for (const entry of journal) {
      const line = COLUMNS.map((column) => String(entry[column])).join('\t');
      io.print(settings.json ? JSON.stringify(entry) : line);
    }
    return EXIT.done;
  },
};
