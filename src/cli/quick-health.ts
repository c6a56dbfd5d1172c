/**
 * Fast path of `flockwork health`, which containers run every half minute: it does not load the other commands, which saves
 * two thirds. Anything but the simple case is left to the command.
 */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFlag } from '../volume/atomic-files.ts';
import { Layout } from '../volume/layout.ts';
import { NodeFiles } from '../volume/node-files.ts';
import { VITALITY_TEXT, vitalityOf } from '../volume/vitality.ts';

type Environment = Readonly<Record<string, string | undefined>>;

interface Plain {
  readonly directory: string;
  readonly name: string;
}

/** The exit status; undefined, with nothing printed, to fall back to the command. */
export async function quickHealth(
  args: readonly string[],
  environment: Environment,
  print: (text: string) => void,
): Promise<number | undefined> {
  const plain = plainHealth(args, environment);
  if (plain === undefined) return undefined;
  const files = new NodeFiles();
  const layout = new Layout(plain.directory);
  try {
    const { lease } = JSON.parse((await readFlag(files, layout.volumeFile)) ?? '') as {
      lease?: unknown;
    };
    if (typeof lease !== 'number') return undefined;
    const vitality = await vitalityOf(files, layout, plain.name, {
      patience: lease / 2,
      stop: new AbortController().signal,
      monotonic: () => performance.now(),
      sleep,
    });
    print(`worker ${plain.name} ${VITALITY_TEXT[vitality]}`);
    return vitality === 'alive' ? 0 : 1;
  } catch {
    return undefined;
  }
}

/** Undefined if there are arguments, several directories, or a configuration file. */
function plainHealth(args: readonly string[], environment: Environment): Plain | undefined {
  const isConfigured = environment['FLOCKWORK_CONFIG'] || existsSync('flockwork.config.yaml');
  const dir = environment['FLOCKWORK_DIR'] || 'stateFiles';
  const name = environment['FLOCKWORK_NAME'] || environment['HOSTNAME'] || hostname();
  if (isConfigured || args.length > 0 || /[*?[{,]/.test(dir)) return undefined;
  return { directory: resolve(dir), name };
}
