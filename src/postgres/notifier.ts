/**
 * LISTEN and NOTIFY, as hints: one connection listens, and notifications go out on their own, outside of any transaction (inside,
 * they take a lock of the whole server at each commit), 125 times a second at most. A session that waits polls, too: a notification
 * may be lost, and PgBouncer passes none.
 */
import type { Client } from 'pg';
import type { ChangeHint } from '../engine/engine.ts';
import type { PostgresConnection } from './connection.ts';

/** Changes within this time have one notification. */
const GATHER_MS = 8;
const RECONNECT_MS = 2000;

/** `isWork`: sessions may find something to do. */
type Note = (hint: ChangeHint, isWork: boolean) => void;

/** Begins the text of a notification that only clients need. */
const RESULT = '\t';

export class Notifier {
  readonly #connection: PostgresConnection;
  readonly #channel: string;
  readonly #notes = new Set<Note>();
  #client: Client | undefined;
  #reconnect: NodeJS.Timeout | undefined;
  #isConnecting = false;
  #isClosed = false;
  #gathering: NodeJS.Timeout | undefined;
  /** Instances that have changed; undefined: anything. */
  #instance: string | undefined;
  #isMany = false;
  #isWork = false;

  constructor(connection: PostgresConnection, schema: string) {
    this.#connection = connection;
    this.#channel = `flockwork ${schema}`.slice(0, 63);
  }

  /** Tells all processes, soon. */
  changed(instance?: string, isWork: boolean = true): void {
    if (this.#isClosed) return;
    this.#isWork ||= isWork;
    if (this.#gathering !== undefined) {
      this.#isMany ||= instance !== this.#instance;
      return;
    }
    this.#instance = instance;
    this.#isMany = instance === undefined;
    this.#gathering = setTimeout(() => void this.#notify(), GATHER_MS);
  }

  async #notify(): Promise<void> {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    const payload = `${this.#isWork ? '' : RESULT}${this.#isMany ? '' : this.#instance!}`;
    this.#isWork = false;
    // A hint: an error will show in a call that counts.
    await this.#connection
      .query('select pg_notify($1, $2)', [this.#channel, payload])
      .catch(() => undefined);
  }

  watch(note: Note): () => void {
    this.#notes.add(note);
    void this.#listen();
    return () => {
      this.#notes.delete(note);
      if (this.#notes.size === 0) void this.#disconnect();
    };
  }

  async #listen(): Promise<void> {
    if (this.#client !== undefined || this.#isConnecting || this.#isClosed) return;
    this.#isConnecting = true;
    try {
      const client = await this.#connection.listener();
      this.#client = client;
      client.on('notification', ({ payload = '' }) => {
        const instance = payload.startsWith(RESULT) ? payload.slice(RESULT.length) : payload;
        this.#tell(instance === '' ? {} : { instance }, !payload.startsWith(RESULT));
      });
      client.on('error', () => this.#lost(client));
      client.on('end', () => this.#lost(client));
      await client.query(`listen "${this.#channel.replaceAll('"', '""')}"`);
      if (this.#notes.size === 0 || this.#isClosed) await this.#disconnect();
      // Changes before this were not told.
      else this.#tell({}, true);
    } catch {
      if (this.#client !== undefined) this.#lost(this.#client);
      else this.#listenLater();
    } finally {
      this.#isConnecting = false;
    }
  }

  #tell(hint: ChangeHint, isWork: boolean): void {
    for (const note of this.#notes) note(hint, isWork);
  }

  #lost(client: Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    client.end().catch(() => undefined);
    this.#listenLater();
  }

  #listenLater(): void {
    if (this.#isClosed || this.#notes.size === 0 || this.#reconnect !== undefined) return;
    this.#reconnect = setTimeout(() => {
      this.#reconnect = undefined;
      void this.#listen();
    }, RECONNECT_MS);
  }

  async #disconnect(): Promise<void> {
    clearTimeout(this.#reconnect);
    this.#reconnect = undefined;
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#notes.clear();
    if (this.#gathering !== undefined) await this.#notify();
    await this.#disconnect();
  }
}
