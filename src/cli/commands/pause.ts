/** `flockwork pause` and `flockwork resume`. */
import { hostname, userInfo } from 'node:os';
import { COMMON, EXIT, type Command } from '../command.ts';
import { onEach } from '../volumes.ts';

/** A container's user may have a number only. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.());
  }
}

export const pause: Command = {
  name: 'pause',
  describe: 'Stop all workers of the volume from claiming; running ticks finish',
  options: [...COMMON, 'json'],
  examples: [['$0 pause --dir /mnt/states', 'until resume']],
  run: (settings, _words, io) =>
    onEach(settings, io, async ({ client }, { print }) => {
      await client.pause(`${userName()}@${hostname()}`);
      print(
        settings.json ? JSON.stringify({ paused: true }) : 'paused; flockwork resume continues',
      );
      return EXIT.done;
    }),
};

export const resume: Command = {
  name: 'resume',
  describe: 'Let the workers of the volume claim again, after pause',
  options: [...COMMON, 'json'],
  examples: [['$0 resume --dir /mnt/states', 'workers claim again in the next cycle']],
  run: (settings, _words, io) =>
    onEach(settings, io, async ({ client }, { print }) => {
      const was = await client.resume();
      const text = was ? 'resumed' : 'it was not paused';
      print(settings.json ? JSON.stringify({ paused: false }) : text);
      return EXIT.done;
    }),
};
