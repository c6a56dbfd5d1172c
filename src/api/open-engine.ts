/** Opens an engine by its URL. */
import type { Engine } from '../engine/engine.ts';
import { memoryEngine as memoryEngineWith } from '../engine/memory.ts';
import type { Log } from '../engine/ports.ts';
import { UserError } from '../machine/errors.ts';
import { realClock, realRandom } from './node-ports.ts';
import { openVolumeEngine, type OpenVolumeOptions } from './open-volume.ts';

export interface OpenEngineOptions extends OpenVolumeOptions {
  /** Default: nothing is logged. */
  readonly logger?: Log;
}

const silent = (): undefined => undefined;
/** Logs nothing. */
export const SILENT: Log = { debug: silent, info: silent, warn: silent, error: silent };

const SCHEME = /^([a-z]+):/;

/**
 * `volume:DIR` opens a directory, and makes it a volume if it is not one yet; `memory:` is a new engine in this process.
 *
 * @throws UserError `bad-engine` for any other URL, and for a volume `no-volume`, `bad-volume`, `unfit-volume`,
 *   `unusable-volume`, `phases-differ`, `bad-phases`.
 */
export async function openEngine(url: string, options: OpenEngineOptions = {}): Promise<Engine> {
  const { logger = SILENT, ...ofVolume } = options;
  const scheme = SCHEME.exec(url)?.[1];
  const rest = url.slice((scheme ?? '').length + 1);
  if (scheme === 'memory' && rest === '') return memoryEngine();
  if (scheme === 'volume' && rest !== '') {
    return (await openVolumeEngine(rest, ofVolume, logger)).engine;
  }
  throw new UserError('bad-engine', `expected volume:DIR or memory:, got "${url}"`, { url });
}

/** A new engine in the memory of this process, which ends with it. */
export function memoryEngine(): Engine {
  return memoryEngineWith({ clock: realClock, random: realRandom });
}
