/** What clients call. */
export function sendSql(s: string): string {
  return `
-- Sends events, of one instance in the order given. Returns the name under which an id is pending, or its outcome.
create function ${s}.send(p_items jsonb, out n integer, out name text, out outcome text, out state text, out stray boolean)
returns setof record language plpgsql as $f$
#variable_conflict use_column
declare
  v_to text[] := array(select x->>'to' from jsonb_array_elements(p_items) x);
  v_now timestamptz;
begin
  perform from ${s}.instance r where r.instance = any (v_to) order by r.instance for update;
  v_now := clock_timestamp();
  with item as (
    select x.*, row_number() over (partition by x."to" order by x.n) as place
    from jsonb_to_recordset(p_items) as x
      (n integer, id text, "to" text, key text, content text, delay double precision, grace double precision)
    where not exists (select from ${s}.event e where e.id = x.id)
  ), target as (
    select x."to", r.instance is null or r.status = 'done' as stray, coalesce(r.status = 'done', false) as has_ended,
      -- An instance that is new has got events before.
      greatest(${s}.ms(v_now)::bigint, coalesce(nullif(r.sent, 0), (
        select max(e.sent) from ${s}.event e where e.instance = x."to" and e.outcome is null), 0) + 1) - 1 as base
    from (select distinct "to" from item) x left join ${s}.instance r on r.instance = x."to"
  ), added as (
    insert into ${s}.event (id, instance, name, content, sent, due, lapses, stray)
    select i.id, i."to",
      to_char(${s}.at(t.base + i.place + coalesce(i.delay, 0)) at time zone 'UTC', 'YYYYMMDD"T"HH24MISS.MS"Z"')
        || case when i.delay is null then '~' else '+' end || i.key || '@' || i."to",
      i.content, t.base + i.place, coalesce(${s}.at(t.base + i.place + i.delay), v_now),
      v_now + (coalesce(i.delay, 0) + case when t.has_ended then 0 else i.grace end) * interval '1 ms', t.stray
    from item i join target t on t."to" = i."to" order by i.n
    on conflict (id) do nothing
    returning instance, sent, due
  )
  update ${s}.instance r set sent = a.sent,
      wake = case when r.status = 'waiting' and r.holder is null then least(coalesce(r.wake, a.due), a.due) else r.wake end
    from (select instance, max(sent) as sent, min(due) as due from added group by 1) a where r.instance = a.instance;
  return query select (x->>'n')::integer, e.name, e.outcome, e.state, e.stray
    from jsonb_array_elements(p_items) x left join ${s}.event e on e.id = x->>'id';
end $f$;
`;
}

export function submitSql(s: string): string {
  return `
-- Stores first states. An instance has one present state: another one is refused.
create function ${s}.submit(p_items jsonb, out n integer, out result text)
returns setof record language plpgsql as $f$
#variable_conflict use_column
declare
  v_added text[];
  v_now timestamptz := clock_timestamp();
begin
  with item as (
    select * from jsonb_to_recordset(p_items) as x (n integer, instance text, step integer, body text, machine text,
      state text, priority integer, not_before double precision)
  ), added as (
    insert into ${s}.instance (instance, step, body, machine, state, priority, since, wake)
    select i.instance, i.step, i.body, i.machine, i.state, i.priority, v_now, coalesce(${s}.at(i.not_before), v_now)
    from item i order by i.instance, i.step on conflict (instance) do nothing
    returning instance, machine, state
  ), counted as (
    insert into ${s}.tally select machine, state, 'available', count(*) from added group by 1, 2
  )
  select array_agg(instance) into v_added from added;
  update ${s}.event e set stray = false where e.instance = any (v_added) and e.outcome is null and e.stray;
  return query select (x->>'n')::integer, case
      when x->>'instance' = any (v_added) and (x->>'step')::integer = r.step then 'submitted'
      when x->>'body' = case when r.step = (x->>'step')::integer then r.body else
        (select h.body from ${s}.history h where h.instance = r.instance and h.step = (x->>'step')::integer) end
        then 'there already'
      else 'name taken' end
    from jsonb_array_elements(p_items) x left join ${s}.instance r on r.instance = x->>'instance';
end $f$;
`;
}

export function operatorSql(s: string): string {
  return `
create function ${s}.retry(p_items jsonb, out n integer) returns setof integer language sql as $f$
  with item as (
    select * from jsonb_to_recordset(p_items) as x (n integer, instance text, step integer)
  ), ready as (
    update ${s}.instance r set status = 'available', attempts = '', failure = null, refused = null, holder = null,
      wake = clock_timestamp()
    from item i where r.instance = i.instance and r.step = i.step and r.status = 'failed'
    returning i.n, r.machine, r.state
  ), counted as (
    insert into ${s}.tally select machine, state, c.status, sum(c.count)
      from ready, lateral (values ('failed', -1), ('available', 1)) c (status, count) group by 1, 2, 3
  )
  select n from ready
$f$;

-- Undoes steps: see "Undo" in src/database/database.ts.
create function ${s}.undo(p_steps jsonb, p_removed text[], p_forgotten text[], p_withdrawn text[])
returns text[] language plpgsql as $f$
declare
  v_alive text[];
begin
  lock table ${s}.session in share mode;
  select array_agg(x.session) into v_alive from ${s}.session x where x.alive_until > statement_timestamp();
  if v_alive is not null then return v_alive; end if;
  perform from ${s}.instance r
    where r.instance = any (p_removed || array(select x->>'instance' from jsonb_array_elements(p_steps) x))
    order by r.instance for update;
  insert into ${s}.tally
    select r.machine, r.state, ${s}.shown(r.status, r.holder), -count(*)
    from ${s}.instance r
    where r.instance = any (p_removed) or r.instance in (select x->>'instance' from jsonb_array_elements(p_steps) x) group by 1, 2, 3;
  delete from ${s}.history h where h.instance = any (p_removed);
  delete from ${s}.instance r where r.instance = any (p_removed);
  delete from ${s}.event e where e.id = any (p_forgotten) or (e.id = any (p_withdrawn) and e.outcome is null);
  update ${s}.event e set stray = true, lapses = greatest(e.lapses, clock_timestamp() + interval '10 s')
    where e.instance = any (p_removed) and e.outcome is null;
  with step as (
    select * from jsonb_to_recordset(p_steps) as x (instance text, step integer, body text, machine text, state text,
      priority integer, not_before double precision)
  ), gone as (
    delete from ${s}.history h using step x where h.instance = x.instance and h.step >= x.step
  )
  update ${s}.instance r set step = x.step, body = x.body, machine = x.machine, state = x.state, priority = x.priority,
      status = 'available', attempts = '', failure = null, record = null, refused = null, holder = null,
      wake = coalesce(${s}.at(x.not_before), clock_timestamp())
    from step x where r.instance = x.instance;
  insert into ${s}.tally select x->>'machine', x->>'state', 'available', count(*) from jsonb_array_elements(p_steps) x group by 1, 2;
  update ${s}.event e set stray = false from jsonb_array_elements(p_steps) x
    where e.instance = x->>'instance' and e.outcome is null and e.stray;
  return '{}';
end $f$;
`;
}
