/** Engines on a fresh schema of a server, for tests. */
import { realClock, realRandom } from '../../src/api/node-ports.ts';
import { SILENT } from '../../src/api/open-engine.ts';
import type { Database } from '../../src/database/database.ts';
import { databaseEngine } from '../../src/database/engine.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { initPostgres, openPostgres } from '../../src/postgres/postgres.ts';
import type { EngineBench } from '../../src/testing/bench.ts';
import type { Server } from './servers.ts';

let schemas = 0;

/** The URL of a new, empty store. */
export async function freshUrl({ url }: Pick<Server, 'url'>): Promise<string> {
  const fresh = `${url}?schema=test_${process.pid}_${(schemas += 1)}`;
  await initPostgres(fresh);
  return fresh;
}

export interface Opened extends AsyncDisposable {
  readonly engine: Engine;
  readonly bench: EngineBench;
}

/** `wrap`: what the engine is to see of the database. */
export async function open(
  url: string,
  leaseMs: number,
  wrap: (database: Database) => Database = (database) => database,
): Promise<Opened> {
  const ports = { clock: realClock, random: realRandom, log: SILENT };
  const engine = databaseEngine(wrap(await openPostgres(url)), ports, { leaseMs });
  const bench: EngineBench = {
    engine,
    clock: realClock,
    expiryMs: 2 * leaseMs,
    pass: (ms) => realClock.sleep(ms),
    expire: (session, holds) => {
      for (const hold of holds) session.setDeadline(hold, Number.NEGATIVE_INFINITY);
    },
  };
  return { engine, bench, [Symbol.asyncDispose]: () => engine.close() };
}

/** Carries a call out, and then fails as if its reply were lost: the next `times` calls of this method. */
export function losing(
  database: Database,
  method: 'take' | 'settle' | 'send' | 'submit',
  times: number,
): Database {
  let left = times;
  return new Proxy(database, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]): Promise<unknown> => {
        const result: unknown = await Reflect.apply(value, target, args);
        if (key !== method || left === 0) return result;
        left -= 1;
        throw new Error('the reply is lost');
      };
    },
  });
}
