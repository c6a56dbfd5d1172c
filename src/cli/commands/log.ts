/** `flockwork log`: all workers' journals in one, like `parallel --joblog`. */
import { entriesInOrder } from '../../volume/history.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { openExisting } from '../volume.ts';

const COLUMNS = ['started', 'duration', 'state', 'machine', 'worker', 'attempt', 'result'] as const;
/** Lines that are printed at a time. */
const AT_ONCE = 1000;

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
    if (!settings.json) io.print(COLUMNS.join('\t'));
    for await (const entries of entriesInOrder(files, layout)) {
      for (let index = 0; index < entries.length; index += AT_ONCE) {
        const lines = entries
          .slice(index, index + AT_ONCE)
          .map((entry) =>
            settings.json
              ? JSON.stringify(entry)
              : COLUMNS.map((column) => String(entry[column])).join('\t'),
          );
        io.print(lines.join('\n'));
        await io.printed();
        // Nobody reads any more: who asked for that has what he wanted.
        if (io.stop.aborted) return EXIT.done;
      }
    }
    return EXIT.done;
  },
};
