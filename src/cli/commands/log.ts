/** `flockwork log`: merges all workers' journals: ticks, and steps that events decided. */
import { setImmediate as yieldToSignals } from 'node:timers/promises';
import type { JournalEntry } from '../../volume/operations.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { entriesOfAll, openAll, type PlacedEntry } from '../volumes.ts';
import { oneLine } from '../terminal.ts';
import { eventsText } from '../tables.ts';

const COLUMNS = [
  'started',
  'duration',
  'state',
  'machine',
  'worker',
  'attempt',
  'result',
  'events',
] as const;

export const log: Command = {
  name: 'log',
  describe:
    'Print every step of every instance in the order of time, tab-separated, like parallel --joblog',
  options: [...COMMON, 'json'],
  examples: [
    [
      '$0 log --dir /mnt/states',
      'started, duration in ms, state, machine, worker, attempt, result, events',
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
        : columns.map((column) => oneLine(cellOf(entry, dir, column))).join('\t');
    for await (const entries of entriesOfAll(volumes)) {
      if (entries.length > 0) io.print(entries.map(describe).join('\n'));
      await io.printed();
      await yieldToSignals();
      // A signal, or EPIPE: the reader has closed.
      if (io.stop.aborted) return EXIT.done;
    }
    return EXIT.done;
  },
};

type Column = (typeof COLUMNS)[number] | 'dir';

function cellOf(entry: JournalEntry, dir: string, column: Column): string {
  if (column === 'dir') return dir;
  if (column === 'events') return eventsText(entry);
  // A step without a tick has neither.
  const isTick = entry.events === undefined;
  if (!isTick && (column === 'attempt' || column === 'duration')) return '';
  return String(entry[column]);
}
