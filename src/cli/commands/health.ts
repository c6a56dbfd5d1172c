/** `flockwork health`: tells whether the worker of this name is alive, for container health checks. */
import { hostname } from 'node:os';
import { VITALITY_TEXT, vitalityOf, type Vitality } from '../../volume/vitality.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { realClock } from '../../api/node-ports.ts';
import { hostName } from '../worker-name.ts';
import { openAll, withDirectory, type OpenedVolume } from '../volume.ts';

export const health: Command = {
  name: 'health',
  describe: 'Exit with 0 if the worker of this name is alive, for health checks',
  options: [...COMMON, 'name', 'json'],
  exits: '0 alive, 1 not alive, 2 wrong usage or no volume, 130 stopped by Ctrl-C.',
  examples: [['$0 health --dir /stateFiles', 'the worker named after this host (or container)']],
  run: async (settings, _words, io) => {
    const name = settings.name ?? hostName(io, hostname());
    const volumes = await openAll(settings);
    const found = await Promise.all(volumes.map((opened) => lookAt(opened, name, io.stop)));
    for (const [index, vitality] of found.entries()) {
      const { root } = volumes[index]!.layout;
      const isOne = volumes.length === 1;
      const json = JSON.stringify({ worker: name, alive: vitality === 'alive' });
      const text = `worker ${name} ${VITALITY_TEXT[vitality]}`;
      if (settings.json) io.print(isOne ? json : withDirectory(root, json));
      else io.print(isOne ? text : `${root}: ${text}`);
    }
    // A worker leaves a volume on which nothing is left to do, and continues on the others.
    const isWell = found.includes('alive') && !found.includes('silent');
    return isWell ? EXIT.done : EXIT.failed;
  },
};

function lookAt(
  { files, layout, volume }: OpenedVolume,
  name: string,
  stop: AbortSignal,
): Promise<Vitality> {
  return vitalityOf(files, layout, name, {
    patience: (volume?.lease ?? 0) / 2,
    stop,
    monotonic: () => realClock.monotonic(),
    sleep: (ms) => realClock.sleep(ms, stop),
  });
}
