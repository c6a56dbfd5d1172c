/**
 * `flockwork health`: tells whether the worker of this name is alive. Containers run it every half minute: imports few modules, and
 * those that the simple case does not need when it is not.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFlag } from '../../volume/atomic-files.ts';
import { Layout } from '../../volume/layout.ts';
import { NodeFiles } from '../../volume/node-files.ts';
import { VITALITY_TEXT, vitalityOf, type Vitality } from '../../volume/vitals.ts';
import { COMMON, defaultWorkerName, EXIT, type Command, type Io } from '../command.ts';

export const health: Command = {
  name: 'health',
  describe: 'Exit with 0 if the worker of this name is alive, for health checks',
  options: [...COMMON, 'name', 'json'],
  exits: '0 alive, 1 not alive, 2 wrong usage or no volume, 130 stopped by Ctrl-C.',
  examples: [['$0 health --dir /stateFiles', 'the worker named after this host (or container)']],
  run: async (settings, _words, io) => {
    const { openAll, withDirectory } = await import('../volumes.ts');
    const name = settings.name ?? defaultWorkerName(io);
    const volumes = await openAll(settings);
    const found = await Promise.all(
      volumes.map(({ files, layout, volume }) =>
        lookAt(files, layout, name, volume?.lease ?? 0, io.stop),
      ),
    );
    for (const [index, vitality] of found.entries()) {
      const { root } = volumes[index]!.layout;
      const isOne = volumes.length === 1;
      const json = JSON.stringify({ worker: name, alive: vitality === 'alive' });
      const text = describe(name, vitality);
      if (settings.json) io.print(isOne ? json : withDirectory(root, json));
      else io.print(isOne ? text : `${root}: ${text}`);
    }
    // A worker leaves a volume on which nothing is left to do, and continues on the others.
    const isWell = found.includes('alive') && !found.includes('silent');
    return isWell ? EXIT.done : EXIT.failed;
  },
};

function lookAt(
  files: NodeFiles,
  layout: Layout,
  name: string,
  lease: number,
  stop: AbortSignal,
): Promise<Vitality> {
  return vitalityOf(files, layout, name, {
    patience: lease / 2,
    stop,
    monotonic: () => performance.now(),
    sleep: (ms) => sleep(ms, undefined, { signal: stop }).catch(() => undefined),
  });
}

const describe = (name: string, vitality: Vitality): string =>
  `worker ${name} ${VITALITY_TEXT[vitality]}`;

/**
 * The simple case, of a worker on one volume: loads no other command, which saves two thirds of the time. Resolves to the exit
 * status; to undefined, with nothing printed, for anything that is left to the command.
 */
export async function quickHealth(
  args: readonly string[],
  environment: Io['environment'],
  print: Io['print'],
): Promise<number | undefined> {
  const directory = plainDirectory(args, environment);
  if (directory === undefined) return undefined;
  const name = environment['FLOCKWORK_NAME'] || defaultWorkerName({ environment });
  const files = new NodeFiles();
  const layout = new Layout(directory);
  try {
    const text = (await readFlag(files, layout.volumeFile)) ?? '';
    const { lease } = JSON.parse(text) as { lease?: unknown };
    if (typeof lease !== 'number') return undefined;
    const vitality = await lookAt(files, layout, name, lease, new AbortController().signal);
    print(describe(name, vitality));
    return vitality === 'alive' ? EXIT.done : EXIT.failed;
  } catch {
    return undefined;
  }
}

/** Undefined if there are arguments, several directories, or a configuration file. */
function plainDirectory(
  args: readonly string[],
  environment: Io['environment'],
): string | undefined {
  const isConfigured = environment['FLOCKWORK_CONFIG'] || existsSync('flockwork.config.yaml');
  const directory = environment['FLOCKWORK_DIR'] || 'stateFiles';
  if (isConfigured || args.length > 0 || /[*?[{,]/.test(directory)) return undefined;
  return resolve(directory);
}
