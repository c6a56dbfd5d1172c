/** What sessions call: the functions that hand instances out, and store what has come of them. */
import { MAX_BATCH_EVENTS } from '../machine/event-batch.ts';

/** What is taken at most where all slots are in use, and rows that are looked at for it. */
const MAX_TAKEN = 64;
const MAX_LOOKS = 256;
/**
 * Plans that were made while a table was empty must not be used when it is not. A sequential scan, where there is no index,
 * counts as so costly then that PostgreSQL would compile the query first, for 100 ms.
 */
const BY_INDEX =
  'set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off';

export function takeSql(s: string): string {
  return `
-- Hands out what is due. Rows: 'task', 'seen' (observed), 'paused', 'idle' (nothing was due).
create function ${s}.take(
  p_session text, p_limit integer, p_slotted text[], p_lease double precision, p_observes text[],
  out kind text, out instance text, out step integer, out fence integer, out body text, out attempts text, out events text,
  out at double precision
) returns setof record language plpgsql ${BY_INDEX} as $f$
#variable_conflict use_column
declare
  v_now timestamptz := clock_timestamp();
  v_left integer := case when p_limit > 0 then p_limit else ${MAX_TAKEN} end;
  v_looks integer := ${MAX_LOOKS};
  v_priority integer;
  v_due text[] := '{}';
  v_seen text[];
begin
  if exists (select from ${s}.meta where paused_by is not null) then
    return query select 'paused', null::text, null::int, null::int, null::text, null::text, null::text, ${s}.ms(v_now);
    return;
  end if;
  if p_limit = 0 then
    -- Events need no slot: they are found behind any backlog of what does.
    v_due := array(
      select r.instance from ${s}.instance r
      where r.status = 'waiting' and r.wake <= v_now and (r.refused is null or p_session <> all (r.refused))
      order by r.wake limit v_left for update skip locked);
    v_left := v_left - cardinality(v_due);
  end if;
  -- One priority after the other: what is due is at the head of each one's part of the index, before all that is not.
  v_priority := ${s}.priority_below(null);
  while v_priority is not null and v_left > 0 and v_looks > 0 loop
    if p_limit > 0 then
      v_seen := array(
        select r.instance from ${s}.instance r
        where r.priority = v_priority and r.wake <= v_now and (r.refused is null or p_session <> all (r.refused))
        order by r.wake limit v_left for update skip locked);
    else
      v_seen := array(
        select r.instance from ${s}.instance r
        where r.priority = v_priority and r.wake <= v_now order by r.wake limit v_looks);
      v_looks := v_looks - cardinality(v_seen);
      v_seen := array(
        select r.instance from ${s}.instance r
        where r.instance = any (v_seen) and r.wake <= v_now and (r.refused is null or p_session <> all (r.refused))
          and r.machine || chr(10) || r.state <> all (p_slotted)
        limit v_left for update skip locked);
    end if;
    v_due := v_due || v_seen;
    v_left := v_left - cardinality(v_seen);
    v_priority := ${s}.priority_below(v_priority);
  end loop;
  return query
    with due as (
      select r.instance, r.holder, r.wake from ${s}.instance r where r.instance = any (v_due)
    ), taken as (
      update ${s}.instance r set
        holder = p_session, fence = r.fence + 1, wake = v_now + p_lease * interval '1 ms',
        attempts = case when due.holder is null then r.attempts else r.attempts || ${s}.lost(due.holder, r.attempts, v_now) end
      from due where r.instance = due.instance
      returning r.instance, r.step, r.fence, r.body, r.attempts, r.machine, r.state, r.status, r.priority,
        due.holder as was, due.wake as since
    ), counted as (
      insert into ${s}.tally (machine, state, status, count)
      select machine, state, c.status, sum(c.count)
      from taken, lateral (values (taken.status, -1), ('in progress', 1)) c (status, count)
      where was is null group by 1, 2, 3
    )
    select 'task', t.instance, t.step, t.fence, t.body, t.attempts,
      (select json_agg(json_build_array(e.name, e.id, e.content) order by e.name)::text from (
        select e.name, e.id, e.content from ${s}.event e
        where e.instance = t.instance and e.outcome is null and e.due <= v_now order by e.name limit ${MAX_BATCH_EVENTS}
      ) e),
      ${s}.ms(v_now)
    from taken t order by t.priority desc, t.since;
  if found then
    return query select 'seen', r.instance, r.step, r.fence, r.body, null::text, null::text, ${s}.ms(v_now)
      from ${s}.instance r where r.instance = any (p_observes);
  else
    return query select 'idle', null::text, null::int, null::int, null::text, null::text, null::text, ${s}.ms(v_now);
    return query select 'wake', null::text, null::int, null::int, null::text, null::text, null::text, ${s}.ms(x.wake)
      from (select least(${s}.next_wake(),
        (select e.lapses from ${s}.event e where e.stray and e.outcome is null order by e.lapses limit 1)) as wake) x
      where x.wake is not null;
  end if;
end $f$;

-- The record of an attempt that was lost with its session, as a line.
create function ${s}.lost(p_holder text, p_attempts text, p_now timestamptz) returns text language sql as $f$
  select json_build_object(
    'attempt', length(p_attempts) - length(replace(p_attempts, chr(10), '')) + 1,
    'session', p_holder, 'worker', x.worker, 'started', x.at, 'ended', x.at, 'result', 'lost',
    'error', json_build_object('message', 'worker ' || x.worker || ' was lost while it held this state')
  )::text || chr(10)
  from (select regexp_replace(p_holder, '\\.[^.]*$', '') as worker,
    to_char(p_now at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at) x
$f$;

-- The earliest "wake": each priority has its own, at the head of its part of the index.
create function ${s}.next_wake() returns timestamptz language sql stable as $f$
  with recursive level (priority) as (
    select ${s}.priority_below(null)
    union all select ${s}.priority_below(level.priority) from level where level.priority is not null
  )
  select min(first.wake) from level, lateral (
    select r.wake from ${s}.instance r
    where r.wake is not null and r.priority = level.priority order by r.wake limit 1
  ) first
$f$;
`;
}

export function settleSql(s: string): string {
  return `
-- Instances that wait: their next event wakes them.
create function ${s}.rewake(p_instances text[]) returns void language sql as $f$
  update ${s}.instance r set wake = e.due from (
    select e.instance, min(e.due) as due from ${s}.event e
    where e.instance = any (p_instances) and e.outcome is null group by 1
  ) e where r.instance = e.instance and r.status = 'waiting' and r.holder is null and r.wake is distinct from e.due
$f$;

-- Stores outcomes of holds. "p_placing": of an instance that no session holds.
create function ${s}.settle(p_session text, p_items jsonb, p_placing boolean, out n integer, out result text)
returns setof record language plpgsql ${BY_INDEX} as $f$
#variable_conflict use_column
declare
  v_items ${s}.settlement[];
  v_held ${s}.settlement[];
  v_commits ${s}.settlement[];
  v_others ${s}.settlement[];
  v_outdated integer[] := '{}';
  v_now timestamptz;
begin
  v_items := array(select i from jsonb_populate_recordset(null::${s}.settlement, p_items) i);

  -- All rows that may change or are relied on, in one order, so that two calls cannot wait for each other.
  perform from ${s}.instance r where r.instance = any (array(
    select i.instance from unnest(v_items) i
    union select e->>'to' from unnest(v_items) i, jsonb_array_elements(i.emits) e
    union select x.key from unnest(v_items) i, jsonb_each(i.reads) x
  )) order by r.instance for update;
  v_now := clock_timestamp();

  -- The fence: a hold that another session has taken over settles nothing.
  v_held := array(
    select i from unnest(v_items) i join ${s}.instance r on r.instance = i.instance and r.step = i.step
    where case when p_placing then (r.holder is null or r.wake <= v_now) and r.status <> 'done'
      else r.holder = p_session and r.fence = i.fence end);

  insert into ${s}.tally (machine, state, status, count)
    select r.machine, r.state, ${s}.shown(r.status, r.holder), -count(*)
    from unnest(v_held) i join ${s}.instance r on r.instance = i.instance group by 1, 2, 3;

  -- Instances that were observed have moved, also by an earlier commit of this call; or an event has its outcome.
  perform from ${s}.event e where e.id = any (array(
    select x->>'id' from unnest(v_held) i, jsonb_array_elements(i.events) x)) order by e.id for update;
  v_outdated := array(
    select i.n from unnest(v_held) i, jsonb_each_text(i.reads) x left join ${s}.instance r on r.instance = x.key
    where coalesce(r.step, -1) <> x.value::integer
      or exists (select from unnest(v_held) o where o.instance = x.key and o.kind = 'commit' and o.n < i.n)
    union
    select i.n from unnest(v_held) i, jsonb_array_elements(i.events) x left join ${s}.event e on e.id = x->>'id'
    where e.outcome is not null or e.id is null);
  v_commits := array(select i from unnest(v_held) i where i.kind = 'commit' and i.n <> all (v_outdated));
  v_others := array(select i from unnest(v_held) i where i.kind <> 'commit' or i.n = any (v_outdated));

  if cardinality(v_commits) > 0 then
    insert into ${s}.history (instance, step, body, since, record, session, fence)
      select r.instance, r.step, r.body, r.since, i.record, p_session, r.fence
      from unnest(v_commits) i join ${s}.instance r on r.instance = i.instance where i.body is not null;
    update ${s}.event e set outcome = x->>'outcome', decided = v_now, stray = false,
        state = i.instance || '.state' || case when i.step = 0 then '' else '-' || i.step end
      from unnest(v_commits) i, jsonb_array_elements(i.events) x where e.id = x->>'id';
    update ${s}.instance r set
        step = r.step + 1, body = i.body, machine = i.machine, state = i.state, priority = i.priority, since = v_now,
        status = case when i.rests then 'waiting' else 'available' end, attempts = '', failure = null, refused = null,
        holder = null, wake = case when i.rests then null else coalesce(${s}.at(i.not_before), v_now) end
      from unnest(v_commits) i where r.instance = i.instance and i.body is not null;
    update ${s}.instance r set status = 'done', record = i.record, failure = null, wake = null,
        holder = p_session
      from unnest(v_commits) i where r.instance = i.instance and i.body is null;
    -- No session will apply what is pending for an instance that has ended.
    update ${s}.event e set stray = true, lapses = greatest(e.due, v_now)
      from unnest(v_commits) i where i.body is null and e.instance = i.instance and e.outcome is null;

    if exists (select from unnest(v_commits) i where i.branches is not null) then
      with added as (
        insert into ${s}.instance (instance, step, body, machine, state, priority, since, wake)
        select b.instance, 0, b.body, b.machine, b.state, b.priority, v_now, coalesce(${s}.at(b.not_before), v_now)
        from unnest(v_commits) i, jsonb_to_recordset(i.branches) as b (instance text, body text, machine text, state text,
          priority integer, not_before double precision)
        order by b.instance on conflict (instance) do nothing
        returning machine, state
      )
      insert into ${s}.tally select machine, state, 'available', count(*) from added group by 1, 2;
      -- I9: something else has a branch's name. It is kept, and fails.
      with clash as (
        select r.instance, r.machine, r.state, ${s}.shown(r.status, r.holder) as was, b.taken
        from unnest(v_commits) i, jsonb_to_recordset(i.branches) as b (instance text, body text, taken text)
        join ${s}.instance r on r.instance = b.instance
        where r.status <> 'done' and r.instance not in (select h.instance from unnest(v_held) h) and coalesce(
          (select h.body from ${s}.history h where h.instance = r.instance and h.step = 0), r.body) <> b.body
        for update of r
      ), failed as (
        update ${s}.instance r set status = 'failed', failure = clash.taken, wake = null, holder = null
        from clash where r.instance = clash.instance
      )
      insert into ${s}.tally select machine, state, c.status, c.count
        from clash, lateral (values (was, -1), ('failed', 1)) c (status, count);
      update ${s}.event e set stray = false from unnest(v_commits) i, jsonb_array_elements(i.branches) b
        where e.instance = b->>'instance' and e.outcome is null and e.stray;
    end if;

    insert into ${s}.event (id, instance, name, content, sent, due, lapses, stray)
      select x.id, x."to", x.name, x.content, 0, coalesce(${s}.at(x.due), v_now),
        greatest(coalesce(${s}.at(x.due), v_now), v_now)
          + case when r.status = 'done' then 0 else x.grace end * interval '1 ms', coalesce(r.status = 'done', true)
      from unnest(v_commits) i, jsonb_to_recordset(i.emits) as x
        (id text, "to" text, name text, content text, due double precision, grace double precision)
      left join ${s}.instance r on r.instance = x."to"
      order by x.id on conflict (id) do nothing;
  end if;

  if cardinality(v_others) > 0 then
    update ${s}.instance r set
        holder = null,
        status = case i.kind when 'fail' then 'failed' when 'wait' then 'waiting' else r.status end,
        attempts = case i.kind when 'retry' then r.attempts || i.note when 'wait' then '' else r.attempts end,
        failure = case i.kind when 'fail' then i.note else r.failure end,
        refused = case i.kind when 'leave' then array_append(r.refused, p_session) else r.refused end,
        wake = case when i.kind in ('fail', 'wait') then null
          when i.kind in ('retry', 'defer') then coalesce(${s}.at(i.not_before), v_now) else v_now end
      from unnest(v_others) i where r.instance = i.instance;
  end if;

  if exists (select from unnest(v_held) i where i.rests or i.kind = 'wait' or i.emits is not null) then
    perform ${s}.rewake(array(
      select i.instance from unnest(v_held) i where i.rests or i.kind = 'wait'
      union select e->>'to' from unnest(v_commits) i, jsonb_array_elements(i.emits) e));
  end if;

  insert into ${s}.tally (machine, state, status, count)
    select r.machine, r.state, r.status, count(*)
    from unnest(v_held) i join ${s}.instance r on r.instance = i.instance group by 1, 2, 3;
  insert into ${s}.tick (entries)
    select x.entries from (
      select '[' || string_agg(x.entry, ',' order by x.n) || ']' as entries from (
        select i.n, case when h.n is null or i.n = any (v_outdated) then i.lost_entry else i.entry end as entry
        from unnest(v_items) i left join unnest(v_held) h on h.n = i.n
        where h.n is not null or not ${s}.is_own(p_session, i)
      ) x where x.entry is not null
    ) x where x.entries is not null;

  return query select i.n, case
      when i.n = any (v_outdated) then 'outdated'
      when h.n is not null then case when i.kind = 'fail' then 'failed' else 'settled' end
      when ${s}.is_own(p_session, i) then case when i.kind = 'fail' then 'failed' else 'settled' end
      when i.kind = 'commit' and exists (select from ${s}.instance r
        where r.instance = i.instance and r.step = i.step and r.fence = i.fence and r.holder is null) then 'outdated'
      else 'lost' end
    from unnest(v_items) i left join unnest(v_held) h on h.n = i.n;
end $f$;

-- This very hold was settled before, by this session.
create function ${s}.is_own(p_session text, i ${s}.settlement) returns boolean language sql stable as $f$
  select exists (select from ${s}.history h
      where h.instance = i.instance and h.step = i.step and h.session = p_session and h.fence = i.fence)
    or exists (select from ${s}.instance r where r.instance = i.instance and r.step = i.step and r.fence = i.fence
      and case i.kind
        when 'commit' then r.status = 'done' and r.holder = p_session
        when 'fail' then r.status = 'failed' and r.holder is null
        else r.holder is null end)
$f$;
`;
}

export function sessionSql(s: string): string {
  return `
-- A sign of life. Holds last for a lease from now; returns those that this session does not hold any more.
create function ${s}.beat(
  p_session text, p_worker text, p_concurrency integer, p_known text, p_holds text, p_lease double precision, p_held jsonb,
  out at double precision, out lost text[]
) language plpgsql as $f$
declare
  v_held text[] := array(select h->>'instance' from jsonb_array_elements(p_held) h);
  v_now timestamptz;
begin
  perform from ${s}.instance r where r.instance = any (v_held) order by r.instance for update;
  v_now := clock_timestamp();
  at := ${s}.ms(v_now);
  insert into ${s}.session as x (session, worker, concurrency, known, holds, beat, alive_until)
    values (p_session, p_worker, p_concurrency, p_known, p_holds, v_now, v_now + p_lease * interval '1 ms')
    on conflict (session) do update set known = p_known, holds = p_holds, beat = v_now, alive_until = excluded.alive_until;
  with kept as (
    update ${s}.instance r set wake = v_now + p_lease * interval '1 ms'
    from jsonb_to_recordset(p_held) as h (instance text, step integer, fence integer)
    where r.instance = h.instance and r.step = h.step and r.fence = h.fence and r.holder = p_session and r.wake is not null
    returning r.instance
  )
  select array_agg(h) into lost from unnest(v_held) h where h not in (select instance from kept);
end $f$;

-- What it has refused is handed out again.
create function ${s}.leave(p_session text) returns void language sql as $f$
  delete from ${s}.session where session = p_session;
  update ${s}.instance set refused = null where refused is not null
$f$;

-- A reply of "take" was lost: what it has handed out, and no worker knows of, is given back. It is held for a lease at most.
create function ${s}.reclaim(p_session text, p_known text[], p_lease double precision) returns void language plpgsql ${BY_INDEX} as $f$
declare
  v_now timestamptz := clock_timestamp();
  v_priority integer;
begin
  v_priority := ${s}.priority_below(null);
  while v_priority is not null loop
    with held as (
      select r.instance from ${s}.instance r
      where r.priority = v_priority and r.wake > v_now and r.wake <= v_now + p_lease * interval '1 ms'
        and r.holder = p_session and r.instance <> all (p_known)
      order by r.instance for update
    ), freed as (
      update ${s}.instance r set holder = null, wake = v_now from held where r.instance = held.instance
      returning r.machine, r.state, r.status
    )
    insert into ${s}.tally select machine, state, c.status, c.count
      from freed, lateral (values ('in progress', -1), (freed.status, 1)) c (status, count);
    v_priority := ${s}.priority_below(v_priority);
  end loop;
end $f$;

-- Events that were sent to instances which did not exist, and do now.
create function ${s}.adopt(p_instances text[]) returns void language plpgsql as $f$
declare
  v_open text[];
begin
  v_open := array(
    select r.instance from ${s}.instance r
    where r.instance = any (p_instances) and r.status <> 'done' order by r.instance for update);
  update ${s}.event e set stray = false where e.instance = any (v_open) and e.outcome is null and e.stray;
  perform ${s}.rewake(v_open);
end $f$;
`;
}
