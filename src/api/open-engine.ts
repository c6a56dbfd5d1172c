/** Opens an engine by its URL. */
import type { Engine } from '../engine/engine.ts';
import { databaseEngine } from '../database/engine.ts';
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
const POSTGRES = /^postgres(ql)?:\/\//;

/**
 * `volume:DIR` opens a directory, and makes it a volume if it is not one yet; `memory:` is a new engine in this process;
 * `postgres://USER@HOST/DATABASE?schema=flockwork` is a database that `initEngine` has prepared, by the package `pg`.
 *
 * @throws UserError `bad-engine` for any other URL, and for a volume `no-volume`, `bad-volume`, `unfit-volume`,
 *   `unusable-volume`, `phases-differ`, `bad-phases`; for a
 *   database `no-driver`, `no-schema`, `bad-schema`, `no-server`, `engine-refused`.
 */
export async function openEngine(url: string, options: OpenEngineOptions = {}): Promise<Engine> {
  const { logger = SILENT, ...ofVolume } = options;
  const scheme = SCHEME.exec(url)?.[1];
  const rest = url.slice((scheme ?? '').length + 1);
  if (scheme === 'memory' && rest === '') return memoryEngine();
  if (scheme === 'volume' && rest !== '') {
    return (await openVolumeEngine(rest, ofVolume, logger)).engine;
  }
  if (POSTGRES.test(url)) {
    const { openPostgres } = await import('../postgres/postgres.ts');
    const ports = { clock: realClock, random: realRandom, log: logger };
    return databaseEngine(await openPostgres(url), ports);
  }
  // A URL may have a password in it.
  const what = scheme === undefined ? 'no URL' : `${scheme}:`;
  const expected = 'volume:DIR, memory: or postgres://USER@HOST/DATABASE';
  throw new UserError('bad-engine', `expected ${expected}, got ${what}`);
}

/**
 * Makes the tables of an engine on a database, once, with the rights of the URL's user; workers need fewer (docs/engines.md).
 *
 * @throws UserError `bad-engine` for a URL of no database, `engine-refused`, `no-driver`, `no-server`.
 */
export async function initEngine(url: string): Promise<'made' | 'there already'> {
  if (POSTGRES.test(url)) {
    const { initPostgres } = await import('../postgres/postgres.ts');
    return initPostgres(url);
  }
  throw new UserError(
    'bad-engine',
    'expected the URL of a database, postgres://USER@HOST/DATABASE',
  );
}

/** A new engine in the memory of this process, which ends with it. */
export function memoryEngine(): Engine {
  return memoryEngineWith({ clock: realClock, random: realRandom });
}
