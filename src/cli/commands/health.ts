/** `flockwork health`: is the worker of this name alive? For container health checks. */
import { hostname } from 'node:os';
import { readLeases } from '../../volume/mend.ts';
import { readSessions } from '../../volume/overview.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { hostName, realClock } from '../real.ts';
import { openAll, withDirectory, type OpenedVolume } from '../volume.ts';

/** Milliseconds between looks. */
const LOOK = 200;

export const health: Command = {
  name: 'health',
  describe: 'Exit with 0 if the worker of this name gives signs of life, for health checks',
  options: [...COMMON, 'name', 'json'],
  exits: '0 alive, 1 no sign of life, 2 wrong usage or no volume, 130 stopped by Ctrl-C.',
  examples: [['$0 health --dir /stateFiles', 'the worker named after this host (or container)']],
  run: async (settings, _words, io) => {
    const name = settings.name ?? hostName(io, hostname());
    const volumes = await openAll(settings);
    const found = await Promise.all(volumes.map((opened) => vitalityOf(opened, name, io.stop)));
    for (const [index, vitality] of found.entries()) {
      const { root } = volumes[index]!.layout;
      const isOne = volumes.length === 1;
      const json = JSON.stringify({ worker: name, alive: vitality === 'alive' });
      const text = `worker ${name} ${SAYS[vitality]}`;
      if (settings.json) io.print(isOne ? json : withDirectory(root, json));
      else io.print(isOne ? text : `${root}: ${text}`);
    }
    // One that has nothing left to do on a volume has left it, and may still be at work on others.
    const isWell = found.includes('alive') && !found.includes('silent');
    return isWell ? EXIT.done : EXIT.failed;
  },
};

type Vitality = 'alive' | 'silent' | 'absent';

const SAYS: Readonly<Record<Vitality, string>> = {
  alive: 'is alive',
  silent: 'gives no sign of life',
  absent: 'gives no sign of life: it is not at work here',
};

async function vitalityOf(
  { files, layout, volume }: OpenedVolume,
  name: string,
  stop: AbortSignal,
): Promise<Vitality> {
  const mine = (await readSessions(files, layout)).filter((token) => token.worker === name);
  const before = await readLeases(files, layout);
  const until = realClock.monotonic() + (volume?.lease ?? 0) / 2;
  let alive = false;
  while (!alive && mine.length > 0 && realClock.monotonic() < until && !stop.aborted) {
    await realClock.sleep(LOOK, stop);
    const now = await readLeases(files, layout);
    alive = mine.some(
      ({ session }) => now.has(session) && now.get(session) !== before.get(session),
    );
  }
  if (alive) return 'alive';
  return mine.length > 0 ? 'silent' : 'absent';
}
