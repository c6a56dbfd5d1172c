/** The benchmark's own PostgreSQL server, for one measurement. */
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { installDebian, installPeer, loadPeer } from './install.ts';
import type { Site } from './model.ts';
import { freePort } from './ports.ts';
import { Child, run, until } from './processes.ts';

/** Debian's directory of the programs. */
export const PROGRAMS = '/usr/lib/postgresql/15/bin';
/** Of initdb: an empty database that asks for no password. */
export const EMPTY: readonly string[] = [
  '--encoding=UTF8',
  '--locale=C.UTF-8',
  '--auth=trust',
  '--username=postgres',
];

/** The used part of a client of `pg`. */
export interface Client {
  connect(): Promise<void>;
  query(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ rows: Record<string, unknown>[]; rowCount: number | null }>;
  end(): Promise<void>;
}

export async function installPostgres(): Promise<string> {
  await installPeer('pg');
  return installDebian('postgresql-15', join(PROGRAMS, 'postgres'));
}

/** PostgreSQL refuses to run as root. */
export function asItsUser(command: readonly string[]): [string, string[]] {
  const prefix =
    process.getuid?.() === 0
      ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups']
      : [];
  const [program = '', ...args] = [...prefix, ...command];
  return [program, args];
}

export class Postgres implements AsyncDisposable {
  readonly url: string;
  readonly #server: Child;

  private constructor(url: string, server: Child) {
    this.url = url;
    this.#server = server;
  }

  /** Default settings, including `fsync`, on an empty database. */
  static async start(site: Site): Promise<Postgres> {
    const data = join(site.directory, 'postgres');
    mkdirSync(data);
    for (const directory of [join(site.directory, '..'), site.directory])
      chmodSync(directory, 0o755);
    if (process.getuid?.() === 0) await run('chown', ['postgres:postgres', data]);
    await run(...asItsUser([join(PROGRAMS, 'initdb'), '-D', data, ...EMPTY]));
    const port = await freePort();
    const place = ['-D', data, '-k', data, '-p', String(port), '-h', '127.0.0.1'];
    // SIGQUIT ends it at once, and its children with it; SIGKILL would leave these.
    const server = new Child(...asItsUser([join(PROGRAMS, 'postgres'), ...place]), {
      end: 'SIGQUIT',
    });
    const postgres = new Postgres(`postgres://postgres@127.0.0.1:${port}/postgres`, server);
    await until('postgres answers', async () => {
      server.assertAlive();
      return existsSync(join(data, 'postmaster.pid')) && (await postgres.#answers());
    });
    return postgres;
  }

  async #answers(): Promise<boolean> {
    try {
      const client = await this.connect();
      await client.end();
      return true;
    } catch {
      return false;
    }
  }

  async connect(): Promise<Client> {
    const { Client: Connection } = loadPeer('pg') as {
      Client: new (options: object) => Client;
    };
    const client = new Connection({ connectionString: this.url });
    await client.connect();
    return client;
  }

  get pid(): number {
    return this.#server.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop();
  }
}
