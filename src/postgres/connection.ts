/** Connections to a PostgreSQL server: a pool for calls, and one that listens. */
import type { Client, Pool, PoolConfig } from 'pg';
import { UserError, type ErrorCode } from '../machine/errors.ts';

const MAX_CONNECTIONS = 6;
const CONNECT_TIMEOUT_MS = 10_000;
const DEFAULT_SCHEMA = 'flockwork';
/** Calls that a deadlock or a conflict has ended are repeated at once: they have had no effect. */
const MAX_TRIES = 10;
const REPEATED = new Set(['40P01', '40001']);

/** What the server says of a call that a user must help with. */
const REFUSALS: Readonly<Record<string, readonly [code: ErrorCode, sentence: string]>> = {
  '28P01': ['engine-refused', 'the server does not accept this user and password'],
  '28000': ['engine-refused', 'the server does not accept this user'],
  '3D000': ['engine-refused', 'there is no such database'],
  '3F000': ['no-schema', 'there is no such schema; run flockwork init --engine URL'],
  '42P01': ['no-schema', 'its tables are missing; run flockwork init --engine URL'],
  '42883': ['no-schema', 'its functions are missing; run flockwork init --engine URL'],
  '42501': ['engine-refused', 'this user lacks a right; docs/engines.md lists the grants'],
  '25006': ['engine-refused', 'the server is read-only: a replica; give the URL of the primary'],
};

/** Codes of a server that cannot be reached. */
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ETIMEDOUT',
  '57P03',
]);

export interface Target {
  readonly config: PoolConfig;
  readonly schema: string;
  /** Without the password, for messages. */
  readonly name: string;
}

/** `postgres://USER@HOST/DATABASE?schema=NAME`. Throws `bad-engine`. */
export function targetOf(url: string): Target {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new UserError(
      'bad-engine',
      'this is no URL of a PostgreSQL server; write postgres://USER@HOST/DATABASE',
    );
  }
  const schema = parsed.searchParams.get('schema') ?? DEFAULT_SCHEMA;
  parsed.searchParams.delete('schema');
  const config = {
    connectionString: parsed.href,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'flockwork',
    // Idle connections must not keep a process alive that has nothing more to do.
    allowExitOnIdle: true,
  };
  return { config, schema, name: `${parsed.protocol}//${parsed.host}${parsed.pathname}` };
}

interface Driver {
  readonly Client: typeof Client;
  readonly Pool: typeof Pool;
}

async function loadDriver(): Promise<Driver> {
  try {
    const { default: pg } = await import('pg');
    return pg;
  } catch (error) {
    if ((error as { readonly code?: string }).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UserError('no-driver', 'this engine needs the package pg; run npm install pg');
  }
}

export class PostgresConnection {
  readonly target: Target;
  readonly #driver: Driver;
  readonly #pool: Pool;

  private constructor(target: Target, driver: Driver) {
    this.target = target;
    this.#driver = driver;
    this.#pool = new driver.Pool(target.config);
    // An idle connection that breaks is replaced by the next call.
    this.#pool.on('error', () => undefined);
  }

  static async open(target: Target): Promise<PostgresConnection> {
    return new PostgresConnection(target, await loadDriver());
  }

  /** One round trip. Throws a `UserError` for what a user must change. */
  async query<Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    for (let tries = 1; ; tries += 1) {
      try {
        const { rows } = await this.#pool.query<Row>(sql, [...values]);
        return rows;
      } catch (error) {
        const { code = '' } = error as { readonly code?: string };
        if (REPEATED.has(code) && tries < MAX_TRIES) continue;
        throw this.#explained(error as Error, code);
      }
    }
  }

  /** The first call. Throws also `no-server`: later on, a server that is gone may come back. */
  async begin<Row extends object>(sql: string): Promise<Row[]> {
    try {
      return await this.query<Row>(sql);
    } catch (error) {
      const { code = '', message } = error as { readonly code?: string; readonly message: string };
      if (!UNREACHABLE.has(code)) throw error;
      const { name } = this.target;
      throw new UserError('no-server', `cannot reach ${name}: ${message || code}; is it running?`);
    }
  }

  /** A connection of its own: the caller ends it. */
  async listener(): Promise<Client> {
    const client = new this.#driver.Client(this.target.config);
    await client.connect();
    return client;
  }

  #explained(error: Error, code: string): Error {
    const [kind, sentence] = REFUSALS[code] ?? [];
    if (kind === undefined) return error;
    return new UserError(kind, `${this.target.name}: ${sentence} (${error.message})`);
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}
