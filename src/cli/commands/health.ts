/** `flockwork health`: is the worker of this name alive? For container health checks. */
import { hostname } from 'node:os';
import { readLeases } from '../../volume/mend.ts';
import { readSessions } from '../../volume/overview.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { hostName, realClock } from '../real.ts';
import { openExisting } from '../volume.ts';

/** Milliseconds between looks. */
const LOOK = 200;

export const health: Command = {
  name: 'health',
  describe: 'Exit with 0 if the worker of this name gives signs of life, for health checks',
  options: [...COMMON, 'name', 'json'],
  examples: [['$0 health --dir /stateFiles', 'the worker named after this host (or container)']],
  run: async (settings, _words, io) => {
    const { files, layout, volume } = await openExisting(settings);
    const name = settings.name ?? hostName(io, hostname());
    const mine = (await readSessions(files, layout)).filter((token) => token.worker === name);
    const before = await readLeases(files, layout);
    const until = realClock.monotonic() + (volume?.lease ?? 0) / 2;
    let alive = false;
    while (!alive && mine.length > 0 && realClock.monotonic() < until && !io.stop.aborted) {
      await realClock.sleep(LOOK, io.stop);
      const now = await readLeases(files, layout);
      alive = mine.some(
        ({ session }) => now.has(session) && now.get(session) !== before.get(session),
      );
    }
    const text = `worker ${name} ${alive ? 'is alive' : 'gives no sign of life'}`;
    io.print(settings.json ? JSON.stringify({ worker: name, alive }) : text);
    return alive ? EXIT.done : EXIT.failed;
  },
};
