-- Events and the steps that wait for them; run by `workflows/event_store.py`.

-- name: publish_events
-- Stores events that are new, with their trail; gives which. Whoever looks for events of a type and key alone takes its
-- lock without waiting: where that fails, an event may be under way that nobody can see yet.
with given as (
    select * from jsonb_to_recordset(%(events)s::jsonb) as given(
        place int, id uuid, source text, event_id text, type text, key text, subject text, time timestamptz, data jsonb,
        attributes jsonb, ttl_s float8, trail jsonb)
), held as materialized (
    select pg_advisory_xact_lock_shared(hashtextextended(given.type || ' ' || given.key, 1)) from given
), clock as materialized (
    select clock_timestamp() as now from (select count(*) from held) as all_held
), fresh as (
    insert into workflows_eventkey (event, source, event_id)
    select given.id, given.source, given.event_id from clock, given order by given.source, given.event_id, given.place
    on conflict (source, event_id) do nothing
    returning event
), stored as (
    insert into workflows_event (id, event_id, source, type, key, subject, time, data, attributes, published_by,
        received_at, expires_at)
    select given.id, given.event_id, given.source, given.type, given.key, given.subject, given.time, given.data,
        given.attributes, %(actor)s, clock.now + given.place * interval '1 microsecond',
        clock.now + given.place * interval '1 microsecond' + make_interval(secs => given.ttl_s)
    from clock, given join fresh on fresh.event = given.id
)
select array_agg(fresh.event), (
    select audit_record(jsonb_agg(given.trail order by given.place))
    from given where given.id in (select event from fresh)
) from fresh;

-- name: find_event_waits
-- The steps that wait for events of these types and keys, the earliest first.
select wait.run_id, wait.step, wait.index, wait.type, wait.key, wait.source
from unnest(%(types)s::text[], %(keys)s::text[]) as published(type, key)
cross join lateral (
    select * from workflows_eventwait as open
    where open.type = published.type and open.key = published.key and open.state = 'waiting'
) as wait
order by wait.id;

-- name: ask_for_event
-- Writes down what a step of a running run waits for; again, it finds what has come of it. It must be committed before
-- anybody looks: whoever publishes later sees it.
insert into workflows_eventwait as wait (run_id, workflow_name, step, index, round, type, key, source, match, state,
    since, until, passed_over, problem)
select %(run_id)s, %(workflow)s, %(step)s, %(index)s, %(round)s, %(type)s, %(key)s, %(source)s, %(match)s, 'waiting',
    clock_timestamp(), %(until)s, 0, ''
from workflows_run as run where run.id = %(run_id)s and run.state = 'running'
on conflict (run_id, step, index, round) do update
set state = case when wait.state = 'closed' then 'waiting' else wait.state end, until = excluded.until,
    ended_at = case when wait.state = 'closed' then null else wait.ended_at end
returning wait.id, wait.state, wait.event, wait.since;

-- name: try_event_lock
-- Whether no event of a type and key is under way in a transaction that has not ended.
select pg_try_advisory_xact_lock(hashtextextended(%(type)s || ' ' || %(key)s, 1));

-- name: end_event_wait
-- Ends a wait, once: with an event, or without.
with ended as (
    update workflows_eventwait
    set state = %(state)s, event = %(event)s, ended_at = now(), passed_over = %(passed_over)s, problem = %(problem)s
    where id = %(id)s and state = 'waiting'
    returning id
)
select count(*), (select audit_record(%(trail)s::jsonb) from ended where %(trail)s::jsonb is not null) from ended;
