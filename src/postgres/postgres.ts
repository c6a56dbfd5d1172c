/** The calls of an engine on PostgreSQL: each is one statement, most of them a function of `schema.ts`. */
import { randomUUID } from 'node:crypto';
import type {
  Caution,
  ChangeHint,
  ConfigurationName,
  EventResult,
  InstanceFilter,
  InstanceStatus,
  JournalEntry,
  ListedInstance,
  Page,
  PlaceCount,
  SubmitResult,
  TickPage,
} from '../engine/engine.ts';
import type {
  Database,
  SessionInfo,
  SessionRow,
  StateOf,
  StoredEvent,
  StoredHold,
  StoredSettled,
  StoredSettlement,
  StoredState,
  StoredStep,
  StrayEvent,
  Taken,
  TakeRequest,
  Undo,
} from '../database/database.ts';
import { UserError } from '../machine/errors.ts';
import { stateName } from '../machine/name.ts';
import { PostgresConnection, targetOf, type Target } from './connection.ts';
import { Notifier } from './notifier.ts';
import {
  inOrder,
  PRESENT,
  resultOf,
  settlementRow,
  stateRow,
  storedStep,
  takenOf,
  type StepRow,
  type TakeRow,
} from './rows.ts';
import { quoted, schemaSql, SCHEMA_VERSION } from './schema.ts';

/** Rows that a page of a list looks at, at most. */
const MAX_LISTED = 10_000;
const MAX_STRAYS = 100;
/** Differences that are added up at a time. */
const MAX_FOLDED = 20_000;
/** Of the journal, the last ones that are kept. */
const MAX_TICK_ROWS = 10_000;

/** What a second process that makes the same tables is told. */
const MADE_ALREADY: readonly string[] = ['23505', '42P06', '42P07', '42710', '42723'];

/** Makes the store, unless it is there. */
export async function initPostgres(url: string): Promise<'made' | 'there already'> {
  const target = targetOf(url);
  const connection = await PostgresConnection.open(target);
  try {
    const s = quoted(target.schema);
    const [{ there } = { there: null }] = await connection.begin<{ there: string | null }>(
      `select to_regclass('${s.replaceAll("'", "''")}.meta') as there`,
    );
    if (there !== null) return 'there already';
    const meta = `insert into ${s}.meta (id, version) values ('${randomUUID()}', ${SCHEMA_VERSION});`;
    try {
      await connection.query(`begin; ${schemaSql(target.schema)} ${meta} commit;`);
    } catch (error) {
      // Another process was first.
      if (!MADE_ALREADY.includes((error as { readonly code?: string }).code ?? '')) throw error;
      return 'there already';
    }
    return 'made';
  } finally {
    await connection.close();
  }
}

/** Throws `no-schema`, `bad-schema`, `no-driver`, `engine-refused`. */
export async function openPostgres(url: string): Promise<Database> {
  const target = targetOf(url);
  const connection = await PostgresConnection.open(target);
  try {
    const meta = `select id, version from ${quoted(target.schema)}.meta`;
    const [row] = await connection.begin<{ id: string; version: number }>(meta);
    if (row?.version !== SCHEMA_VERSION) {
      throw new UserError(
        'bad-schema',
        `${target.name} has version ${row?.version} of the tables, this program works with ${SCHEMA_VERSION}; prepare it anew with initEngine`,
      );
    }
    return new Postgres(connection, target, row.id);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

type Row = Record<string, unknown>;

interface TickCursor {
  readonly tx: number;
  readonly seq: number;
  readonly index: number;
}

/** It leads to work that the session may not have room for. */
const isForOthers = ({ kind, emits, branches }: StoredSettlement): boolean =>
  kind === 'leave' || kind === 'release' || emits !== undefined || branches !== undefined;

const isResult = ({ kind, next, events }: StoredSettlement): boolean =>
  kind === 'fail' || (kind === 'commit' && (next === undefined || events !== undefined));

class Postgres implements Database {
  readonly id: string;
  readonly #connection: PostgresConnection;
  readonly #s: string;
  readonly #notifier: Notifier;

  constructor(connection: PostgresConnection, { schema }: Target, id: string) {
    this.#connection = connection;
    this.#s = quoted(schema);
    this.id = id;
    this.#notifier = new Notifier(connection, schema);
  }

  #query<Found extends object = Row>(
    sql: string,
    values: readonly unknown[] = [],
  ): Promise<Found[]> {
    return this.#connection.query<Found>(
      sql.replaceAll('$s', () => this.#s),
      values,
    );
  }

  async take({ session, limit, slotted, leaseMs, observes }: TakeRequest): Promise<Taken> {
    const values = [session, limit, slotted, leaseMs, observes];
    return takenOf(await this.#query<TakeRow>('select * from $s.take($1, $2, $3, $4, $5)', values));
  }

  async settle(
    session: string,
    items: readonly StoredSettlement[],
  ): Promise<readonly StoredSettled[]> {
    const results = await this.#settle(session, items, false);
    // The session itself takes a successor next; clients wait for ends and outcomes.
    if (items.some(isForOthers)) this.#notifier.changed();
    else if (items.some(isResult)) this.#notifier.changed(undefined, false);
    return results;
  }

  async place(settlement: StoredSettlement, session: string): Promise<boolean> {
    const [result] = await this.#settle(session, [settlement], true);
    this.#notifier.changed();
    return result === 'settled';
  }

  async #settle(
    session: string,
    items: readonly StoredSettlement[],
    isPlacing: boolean,
  ): Promise<StoredSettled[]> {
    const rows = await this.#query<{ n: number; result: StoredSettled }>(
      'select * from $s.settle($1, $2, $3)',
      [session, JSON.stringify(items.map(settlementRow)), isPlacing],
    );
    return inOrder(rows);
  }

  async beat(
    { session, worker, concurrency, known, holds }: SessionInfo,
    leaseMs: number,
    held: readonly StoredHold[],
  ): Promise<{ readonly now: number; readonly lost: readonly string[] }> {
    const [row] = await this.#query<{ at: number; lost: string[] | null }>(
      'select * from $s.beat($1, $2, $3, $4, $5, $6, $7)',
      [session, worker, concurrency, JSON.stringify(known), holds, leaseMs, JSON.stringify(held)],
    );
    return { now: row!.at, lost: row!.lost ?? [] };
  }

  async reclaim(session: string, known: readonly string[], leaseMs: number): Promise<void> {
    await this.#query('select $s.reclaim($1, $2, $3)', [session, known, leaseMs]);
    this.#notifier.changed();
  }

  async leave(session: string): Promise<void> {
    await this.#query('select $s.leave($1)', [session]);
    this.#notifier.changed();
  }

  async sessions(): Promise<readonly SessionRow[]> {
    const rows = await this.#query<Row & { session: string; worker: string; known: string }>(
      `select session, worker, concurrency, known, holds, alive_until > clock_timestamp() as alive,
        extract(epoch from clock_timestamp() - beat)::double precision * 1000 as silent from $s.session order by session`,
    );
    return rows.map(({ session, worker, known, concurrency, holds, alive, silent }) => ({
      session,
      worker,
      concurrency: concurrency as number,
      known: JSON.parse(known) as SessionRow['known'],
      holds: holds as string,
      isAlive: alive as boolean,
      silentMs: Math.max(0, Math.round(silent as number)),
    }));
  }

  async refusals(instance: string): Promise<readonly string[]> {
    const [row] = await this.#query<{ refused: string[] | null }>(
      'select refused from $s.instance where instance = $1',
      [instance],
    );
    return row?.refused ?? [];
  }

  async submit(states: readonly StoredState[]): Promise<readonly SubmitResult[]> {
    const items = states.map((state, n) => ({ n, ...stateRow(state) }));
    const rows = await this.#query<{ n: number; result: SubmitResult }>(
      'select * from $s.submit($1)',
      [JSON.stringify(items)],
    );
    this.#notifier.changed(states.length === 1 ? states[0]!.instance : undefined);
    return inOrder(rows);
  }

  async send(events: readonly StoredEvent[]): Promise<readonly (string | EventResult)[]> {
    const items = events.map((event, n) => ({ n, ...event, delay: event.delay ?? null }));
    const rows = await this.#query<{
      n: number;
      name: string;
      outcome: string | null;
      state: string | null;
      stray: boolean;
    }>('select * from $s.send($1)', [JSON.stringify(items)]);
    // An instance that was submitted at the same time has not seen them.
    const lonely = rows.filter(({ stray }) => stray).map(({ n }) => events[n]!.to);
    if (lonely.length > 0) await this.#adopt([...new Set(lonely)]);
    this.#notifier.changed(events.length === 1 ? events[0]!.to : undefined);
    return inOrder(
      rows.map(({ n, name, outcome, state }) => ({
        n,
        result: outcome === null ? name : resultOf(outcome, state),
      })),
    );
  }

  async eventResult(id: string): Promise<EventResult | undefined> {
    const [row] = await this.#query<{ outcome: string; state: string | null }>(
      'select outcome, state from $s.event where id = $1 and outcome is not null',
      [id],
    );
    return row && resultOf(row.outcome, row.state);
  }

  async strays(): Promise<readonly StrayEvent[]> {
    const rows = await this.#query<{
      id: string;
      instance: string;
      name: string;
      step: number | null;
      status: string | null;
    }>(
      `select e.id, e.instance, e.name, r.step, r.status from $s.event e left join $s.instance r on r.instance = e.instance
        where e.stray and e.outcome is null and e.lapses <= statement_timestamp() order by e.lapses limit ${MAX_STRAYS}`,
    );
    const open = rows.filter(({ status }) => status !== null && status !== 'done');
    if (open.length > 0) await this.#adopt(open.map(({ instance }) => instance));
    return rows
      .filter((row) => !open.includes(row))
      .map(({ id, instance, name, step }) => ({
        id,
        to: instance,
        name,
        last: step === null ? undefined : stateName(instance, step),
      }));
  }

  async #adopt(instances: readonly string[]): Promise<void> {
    await this.#query('select $s.adopt($1)', [instances]);
  }

  async reject(
    outcomes: readonly { readonly id: string; readonly outcome: string }[],
  ): Promise<void> {
    await this.#query(
      `update $s.event e set outcome = x.outcome, decided = clock_timestamp(), stray = false
        from jsonb_to_recordset($1) as x (id text, outcome text) where e.id = x.id and e.outcome is null`,
      [JSON.stringify(outcomes)],
    );
    this.#notifier.changed();
  }

  async last(instance: string): Promise<StoredStep | undefined> {
    const [row] = await this.#query<StepRow>(`${PRESENT} where r.instance = $1`, [instance]);
    return row && storedStep(row);
  }

  async steps(instance: string): Promise<readonly StoredStep[]> {
    const rows = await this.#query<StepRow>(
      `select * from (${PRESENT} where r.instance = $1 union all
        select h.instance, h.step, h.body, 'done', h.session, h.record, '', null, h.fence
        from $s.history h where h.instance = $1) x order by step`,
      [instance],
    );
    return rows.map(storedStep);
  }

  async list(
    { status, machine, state, prefix = '' }: InstanceFilter,
    { after = '', limit }: Page,
  ): Promise<{ readonly instances: readonly ListedInstance[]; readonly next: string | undefined }> {
    const rows = await this.#query<{
      instance: string;
      step: number;
      shown: InstanceStatus;
      machine: string;
      state: string;
      since: number;
      is_wanted: boolean;
    }>(
      `with page as (
        select r.instance, r.step, r.machine, r.state, $s.ms(r.since) as since,
          $s.shown(r.status, r.holder) as shown
        from $s.instance r
        where r.instance > $1 and r.instance >= $2 and starts_with(r.instance, $2)
          ${status === 'failed' ? "and r.status = 'failed'" : ''}
        order by r.instance limit ${MAX_LISTED}
      ), wanted as (
        select * from page where ($3::text is null or shown = $3) and ($4::text is null or state = $4)
          and ($5::text is null or machine = $5 or (position(':' in $5) = 0 and split_part(machine, ':', 1) = $5))
        order by instance limit $6
      )
      select *, true as is_wanted from wanted
      union all (select *, false from page order by instance desc limit case when (select count(*) from page) = ${MAX_LISTED} then 1 else 0 end)`,
      [after, prefix, status ?? null, state ?? null, machine ?? null, limit + 1],
    );
    const wanted = rows
      .filter((row) => row.is_wanted)
      .sort((a, b) => Buffer.compare(Buffer.from(a.instance), Buffer.from(b.instance)));
    const instances = wanted.slice(0, limit).map((row) => ({
      instance: row.instance,
      name: stateName(row.instance, row.step),
      status: row.shown,
      machine: row.machine,
      state: row.state,
      since: new Date(row.since).toISOString(),
    }));
    const bound = rows.find((row) => !row.is_wanted)?.instance;
    return { instances, next: wanted.length > limit ? instances.at(-1)!.instance : bound };
  }

  async counts(): Promise<readonly PlaceCount[]> {
    return this.#query<{ machine: string; state: string; status: InstanceStatus; count: number }>(
      `select machine, state, status, sum(count)::double precision as count from $s.tally
        group by 1, 2, 3 having sum(count) <> 0`,
    );
  }

  async ticks(since: number | undefined, { after, limit }: Page): Promise<TickPage> {
    const numbers = (after ?? '')
      .split('.')
      .map((part) => (/^\d{1,15}$/.test(part) ? Number(part) : 0));
    const [tx = 0, seq = 0, index = 0] = numbers;
    const ticks: JournalEntry[] = [];
    let at: TickCursor = { tx, seq, index };
    const cursor = (): string => `${at.tx}.${at.seq}.${at.index}`;
    for (;;) {
      // What may still be under way is read when it has ended: nothing comes before what was read.
      const rows = await this.#query<{ tx: string; seq: string; entries: string }>(
        `select tx, seq, entries from $s.tick where (tx, seq) >= ($1, $2)
          and tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint order by tx, seq limit $3`,
        [at.tx, at.seq, limit + 1],
      );
      const before = cursor();
      for (const row of rows) {
        const entries = JSON.parse(row.entries) as JournalEntry[];
        const isFirst = Number(row.tx) === at.tx && Number(row.seq) === at.seq;
        for (let place = isFirst ? at.index : 0; place < entries.length; place += 1) {
          if (ticks.length === limit) return { ticks, next: cursor() };
          const entry = entries[place]!;
          const ended = Date.parse(entry.started) + entry.duration;
          if (since === undefined || ended >= since) ticks.push(entry);
          at = { tx: Number(row.tx), seq: Number(row.seq), index: place + 1 };
        }
      }
      if (cursor() === before) return { ticks, next: before };
    }
  }

  async retry(states: readonly StateOf[]): Promise<readonly boolean[]> {
    const items = states.map((state, n) => ({ n, ...state }));
    const rows = await this.#query<{ n: number }>('select * from $s.retry($1)', [
      JSON.stringify(items),
    ]);
    const done = new Set(rows.map(({ n }) => n));
    if (done.size > 0) this.#notifier.changed();
    return states.map((_, n) => done.has(n));
  }

  async pause(by: string): Promise<void> {
    await this.#query('update $s.meta set paused_by = $1', [by]);
    this.#notifier.changed();
  }

  async resume(): Promise<boolean> {
    const rows = await this.#query(
      'update $s.meta set paused_by = null where paused_by is not null returning id',
    );
    this.#notifier.changed();
    return rows.length > 0;
  }

  async undo({ steps, removed, forgotten, withdrawn }: Undo): Promise<readonly string[]> {
    const [row] = await this.#query<{ undo: string[] }>('select $s.undo($1, $2, $3, $4)', [
      JSON.stringify(steps.map(stateRow)),
      removed,
      forgotten,
      withdrawn,
    ]);
    this.#notifier.changed();
    return row!.undo;
  }

  async putConfiguration({ name, version }: ConfigurationName, text: string): Promise<boolean> {
    const rows = await this.#query(
      'insert into $s.configuration values ($1, $2, $3) on conflict do nothing returning name',
      [name, version, text],
    );
    return rows.length > 0;
  }

  async configuration({ name, version }: ConfigurationName): Promise<string | undefined> {
    const [row] = await this.#query<{ body: string }>(
      'select body from $s.configuration where name = $1 and version = $2',
      [name, version],
    );
    return row?.body;
  }

  async configurations(): Promise<ConfigurationName[]> {
    return this.#query<{ name: string; version: string }>(
      'select name, version from $s.configuration',
    );
  }

  async maintain(): Promise<void> {
    await this.#query(
      `with old as (select ctid from $s.tally limit ${MAX_FOLDED} for update skip locked),
        folded as (delete from $s.tally t using old where t.ctid = old.ctid returning t.*)
        insert into $s.tally select machine, state, status, sum(count) from folded group by 1, 2, 3 having sum(count) <> 0`,
    );
    // What was left to a session that is gone is handed out again.
    await this.#query(
      `update $s.instance r set refused = null where r.refused is not null and not exists (
        select from $s.session x where x.alive_until > statement_timestamp() and x.session <> all (r.refused))`,
    );
    await this.#query(
      `delete from $s.tick where seq <= (select max(seq) from $s.tick) - ${MAX_TICK_ROWS}`,
    );
    await this.#query(
      `delete from $s.session where alive_until < statement_timestamp() - interval '1 day'`,
    );
  }

  watch(note: (hint: ChangeHint, isWork: boolean) => void): () => void {
    return this.#notifier.watch(note);
  }

  async inspect(): Promise<readonly Caution[]> {
    const rows = await this.#query<{ name: string; setting: string }>(
      `select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes')`,
    );
    return rows
      .filter(({ setting }) => setting === 'off')
      .map(({ name }) => ({
        code: 'unsynced',
        message: `The server runs with ${name} = off: what it has acknowledged may be lost in a crash. Set it to on.`,
      }));
  }

  async close(): Promise<void> {
    await this.#notifier.close();
    await this.#connection.close();
  }
}
