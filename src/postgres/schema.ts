/**
 * The tables, and the functions that take and settle in one round trip. Everything is in one schema, whose name is written into
 * the functions, so that they do not depend on the settings of a connection (PgBouncer).
 */
import { operatorSql, sendSql, submitSql } from './client-functions.ts';
import { sessionSql, settleSql, takeSql } from './session-functions.ts';

/** Of tables and functions. A worker works with this one only. */
export const SCHEMA_VERSION = 1;

/** A name as it is written in SQL. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Statements that make an empty store. */
export function schemaSql(schema: string): string {
  const s = quoted(schema);
  return [
    tablesSql(s),
    takeSql(s),
    settleSql(s),
    sessionSql(s),
    sendSql(s),
    submitSql(s),
    operatorSql(s),
  ].join('\n');
}

function tablesSql(s: string): string {
  return `
create schema if not exists ${s};

create table ${s}.meta (
  is_only boolean primary key default true check (is_only),
  id text not null,
  version integer not null,
  paused_by text
);

-- The present state of each instance. Most updates change "wake", and so the index: room for new versions is kept in each page.
create table ${s}.instance (
  instance text collate "C" primary key,
  step integer not null,
  body text not null,
  machine text not null,
  state text not null,
  priority integer not null default 0,
  status text not null default 'available' check (status in ('available', 'waiting', 'failed', 'done')),
  since timestamptz not null default now(),
  wake timestamptz,
  holder text,
  fence integer not null default 0,
  sent bigint not null default 0,
  attempts text not null default '',
  failure text,
  record text,
  refused text[]
) with (fillfactor = 70);
create index instance_wake on ${s}.instance (priority desc, wake) where wake is not null;
create index instance_waiting on ${s}.instance (wake) where status = 'waiting' and wake is not null;
create index instance_failed on ${s}.instance (instance) where status = 'failed';
create index instance_refused on ${s}.instance (instance) where refused is not null;

-- Its past states.
create table ${s}.history (
  instance text collate "C" not null,
  step integer not null,
  body text not null,
  since timestamptz not null,
  record text,
  session text not null,
  fence integer not null,
  primary key (instance, step)
);

-- An event and its outcome. "stray": no open instance waits for it, and it is rejected when it lapses.
create table ${s}.event (
  id text collate "C" primary key,
  instance text collate "C" not null,
  name text collate "C" not null,
  content text not null,
  sent bigint not null,
  due timestamptz not null,
  lapses timestamptz not null,
  stray boolean not null,
  outcome text,
  state text,
  decided timestamptz
);
create index event_pending on ${s}.event (instance, name) where outcome is null;
create index event_stray on ${s}.event (lapses) where stray and outcome is null;

create table ${s}.configuration (
  name text collate "C" not null,
  version text collate "C" not null,
  body text not null,
  primary key (name, version)
);

create table ${s}.session (
  session text collate "C" primary key,
  worker text not null,
  concurrency integer not null,
  known text not null,
  holds text not null,
  beat timestamptz not null,
  alive_until timestamptz not null
);

-- Differences of the counts by machine, state and status: the sums are the counts.
create table ${s}.tally (
  machine text not null,
  state text not null,
  status text not null,
  count bigint not null
);

-- The journal, an array of entries for each settlement of a session. "tx" tells a reader what may still be under way.
create table ${s}.tick (
  seq bigint generated always as identity primary key,
  tx bigint not null default pg_current_xact_id()::text::bigint,
  entries text not null
);
create index tick_tx on ${s}.tick (tx, seq);

create type ${s}.settlement as (
  n integer, instance text, step integer, fence integer, kind text,
  record text, body text, machine text, state text, priority integer, not_before double precision, rests boolean,
  events jsonb, emits jsonb, branches jsonb, reads jsonb, note text, entry text, lost_entry text
);

-- The status that clients see. Of a done instance, "holder" is the session of its last commit.
create function ${s}.shown(status text, holder text) returns text language sql immutable
  as $f$ select case when holder is null or status in ('done', 'failed') then status else 'in progress' end $f$;

-- The next priority below this one, of those that have something to take now or later. Below none: the highest.
create function ${s}.priority_below(p_priority integer) returns integer language sql stable as $f$
  select r.priority from ${s}.instance r
  where r.wake is not null and r.priority < coalesce(p_priority, 2147483647) order by r.priority desc limit 1
$f$;

create function ${s}.at(ms double precision) returns timestamptz language sql immutable strict
  as $f$ select to_timestamp(ms / 1000) $f$;
create function ${s}.ms(t timestamptz) returns double precision language sql immutable strict
  as $f$ select floor(extract(epoch from t) * 1000)::double precision $f$;
`;
}
