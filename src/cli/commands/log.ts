/** `flockwork log`: all workers' journals in one, like `parallel --joblog`. */
import { setImmediate as breathe } from 'node:timers/promises';
import { COMMON, EXIT, type Command } from '../command.ts';
import { entriesOfAll, type PlacedEntry } from '../merged.ts';
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
    const isOne = volumes.length === 1;
    const columns = isOne ? COLUMNS : ([...COLUMNS, 'dir'] as const);
    if (!settings.json) io.print(columns.join('\t'));
    const describe = ({ dir, ...entry }: PlacedEntry): string =>
      settings.json
        ? JSON.stringify(isOne ? entry : { ...entry, dir })
        : columns.map((column) => String(column === 'dir' ? dir : entry[column])).join('\t');
    for await (const entries of entriesOfAll(volumes)) {
      if (entries.length > 0) io.print(entries.map(describe).join('\n'));
      await io.printed();
      await breathe();
      // Nobody reads any more: who asked for that has what he wanted.
      if (io.stop.aborted) return EXIT.done;
    }
    return EXIT.done;
  },
};
