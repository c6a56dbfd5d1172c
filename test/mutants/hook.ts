/**
 * Runs a program with one place of its source changed, to see whether a test notices:
 * `FLOCKWORK_MUTANT='{"file":"src/…","find":"…","replace":"…"}' node --import ./test/mutants/hook.ts …`.
 * Threads get the same change, whatever their options; child processes inherit it by the environment if they are
 * started with the same `--import`.
 */
import { readFileSync } from 'node:fs';
import { registerHooks, syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import threads, { type WorkerOptions } from 'node:worker_threads';

export interface Mutant {
  /** Relative to the root of the checkout. */
  readonly file: string;
  /** Must occur in that file exactly once: a mutant whose place is gone is an error, not a survivor. */
  readonly find: string;
  readonly replace: string;
}

const VARIABLE = 'FLOCKWORK_MUTANT';

function install(text: string): void {
  const { file, find, replace } = JSON.parse(text) as Mutant;
  const path = join(import.meta.dirname, '../..', file);
  const pieces = readFileSync(path, 'utf8').split(find);
  if (pieces.length !== 2) {
    throw new Error(`expected one place in ${file}, got ${pieces.length - 1}: ${find}`);
  }
  const changed = pieces.join(replace);
  const target = pathToFileURL(path).href;
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      return url === target ? { ...loaded, source: changed } : loaded;
    },
  });

  // Hooks apply to one thread, and the workers' threads start without flags and environment.
  class MutantWorker extends threads.Worker {
    constructor(script: string | URL, options: WorkerOptions = {}) {
      const { env } = options;
      super(script, {
        ...options,
        execArgv: [...(options.execArgv ?? process.execArgv), '--import', import.meta.url],
        env: typeof env === 'object' ? { ...env, [VARIABLE]: text } : (env ?? process.env),
      });
    }
  }
  threads.Worker = MutantWorker;
  syncBuiltinESMExports();
}

const given = process.env[VARIABLE];
if (given !== undefined) install(given);
