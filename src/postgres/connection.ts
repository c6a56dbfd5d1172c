/** Connections to a PostgreSQL server: a pool for calls, and one that listens. */
import type { Client, Pool, PoolConfig } from 'pg';
import { UserError, type ErrorCode } from '../machine/errors.ts';

const MAX_CONNECTIONS = 6;
const CONNECT_TIMEOUT_MS = 10_000;
/** A host that is gone says nothing: a call is given up then, and its connection with it. */
const CALL_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 10_000;
const DEFAULT_SCHEMA = 'flockwork';
/** Calls that a deadlock or a conflict has ended are repeated at once: they have had no effect. */
const MAX_TRIES = 10;
const REPEATED = new Set(['40P01', '40001']);

/** What the server says of the first call that a user must help with. Later, a failover may be under way. */
const REFUSALS: Readonly<Record<string, readonly [code: ErrorCode, sentence: string]>> = {
  '28P01': ['engine-refused', 'the server does not accept this user and password'],
  '28000': ['engine-refused', 'the server does not accept this user'],
  '3D000': ['engine-refused', 'there is no such database'],
  '3F000': ['no-schema', 'there is no such schema; prepare it with initEngine(url)'],
  '42P01': ['no-schema', 'its tables are missing; prepare it with initEngine(url)'],
  '42883': ['no-schema', 'its functions are missing; prepare it with initEngine(url)'],
  '42501': ['engine-refused', 'this user lacks a right; docs/engines.md lists the grants'],
  '25006': ['engine-refused', 'the server is read-only: a replica; give the URL of the primary'],
};

/** Codes of the server's own errors. */
const SQL_STATE = /^(?=.*\d)[0-9A-Z]{5}$/;
/** It is starting up, or shutting down. */
const UNAVAILABLE = '57P03';

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
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    query_timeout: CALL_TIMEOUT_MS,
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

  /** One round trip. */
  async query<Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    for (let tries = 1; ; tries += 1) {
      try {
        const { rows } = await this.#pool.query<Row>(sql, [...values]);
        return rows;
      } catch (error) {
        const { code = '' } = error as { readonly code?: string };
        if (REPEATED.has(code) && tries < MAX_TRIES) continue;
        throw error;
      }
    }
  }

  /** The first call. Throws a `UserError` for what a user must change: `no-server`, `no-schema`, `engine-refused`. */
  async begin<Row extends object>(sql: string): Promise<Row[]> {
    try {
      return await this.query<Row>(sql);
    } catch (error) {
      const { code = '', message } = error as { readonly code?: string; readonly message: string };
      const { name } = this.target;
      const [kind, sentence] = REFUSALS[code] ?? [];
      if (kind !== undefined) throw new UserError(kind, `${name}: ${sentence} (${message})`);
      if (SQL_STATE.test(code) && code !== UNAVAILABLE) throw error;
      throw new UserError('no-server', `cannot reach ${name}: ${message || code}; is it running?`);
    }
  }

  /** A connection of its own: the caller ends it. */
  async listener(): Promise<Client> {
    const client = new this.#driver.Client(this.target.config);
    // It may break before the caller listens for that; without any listener, the error would end the process.
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}
