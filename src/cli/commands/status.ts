/** `flockwork status`: prints the progress of the volume, its workers, and failures. */
import { formatDuration } from '../../machine/duration.ts';
import { COMMON, EXIT, type Command, type Io } from '../command.ts';
import { directoriesOf } from '../directories.ts';
import { look, newMemory, type LookMemory } from '../look.ts';
import type { Settings } from '../options.ts';
import { realClock } from '../../api/node-ports.ts';
import type { StatusReport } from '../report.ts';
import { statusText } from '../status-text.ts';
import { paint } from '../tables.ts';
import { onEach, requireVolume } from '../volume.ts';

const LIVE_INTERVAL_MS = 500;

export const status: Command = {
  name: 'status',
  describe: 'Print progress, workers, what waits for what, and reasons of failures',
  options: [...COMMON, 'watch', 'all', 'json'],
  optionTexts: {
    all: { describe: 'All workers that are gone, too', group: 'Output' },
    watch: { describe: 'Repeat until everything is done', group: 'Output' },
  },
  examples: [
    ['$0 status --dir /mnt/states', 'once'],
    ['$0 status --watch', 'a live view, until everything is done or Ctrl-C'],
    ['$0 status --all', 'with all workers that are gone'],
    ['$0 status --json | jq .counts', 'for programs; with --watch, one line for each look'],
  ],
  run: async (settings, _words, io) => {
    const screen = settings.watch && !settings.json ? io.screen : undefined;
    const memories = new Map<string, LookMemory>();
    const began = realClock.now();
    for (;;) {
      const texts: string[] = [];
      const gather = { ...io, print: (text: string) => void texts.push(text) };
      const ended = await lookAtEach(settings, gather, memories);
      if (screen === undefined) io.print(texts.join('\n'));
      else screen([heading(settings, began), ...texts].join('\n\n'));
      if (!settings.watch || ended !== EXIT.incomplete || io.stop.aborted) return ended;
      await realClock.sleep(LIVE_INTERVAL_MS, io.stop);
    }
  },
};

function lookAtEach(
  settings: Settings,
  io: Io,
  memories: Map<string, LookMemory>,
): Promise<number> {
  return onEach(settings, io, async (opened, { print }) => {
    await requireVolume(opened);
    const { root } = opened.layout;
    const memory = memories.get(root) ?? newMemory();
    memories.set(root, memory);
    const { overview, report } = await look(opened, memory, io.stop);
    const looks = overview.census.names.available.length;
    const view = { all: settings.all, looks, now: realClock.now() };
    print(settings.json ? JSON.stringify(report) : statusText(report, view));
    return statusOf(report);
  });
}

function statusOf({ counts }: StatusReport): number {
  if (counts.available + counts.inProgress + counts.events > 0) return EXIT.incomplete;
  return counts.failed > 0 ? EXIT.failed : EXIT.done;
}

function heading(settings: Settings, began: number): string {
  const now = realClock.now();
  const clock = new Date(now).toTimeString().slice(0, 8);
  const watched = formatDuration(now - began);
  return paint('dim', `${directoriesOf(settings).join(' ')}  ${clock}  watched for ${watched}`);
}
