-- The statements of schedules that many rows pass at one moment. Each is loaded by its name.

-- name: record_fires
-- Writes down every due time that has come, in one statement however many there are, and asks for the next to be
-- planned. The unique pair of schedule and due time is what makes a second fire impossible, whoever runs this.
with due as materialized (
    select id, next_due_at, next_fire_at from automation_schedule
    where next_fire_at <= %(now)s
    order by next_fire_at
    limit %(most)s
    for no key update skip locked
), fire as (
    insert into automation_fire (
        schedule_id, due_at, fire_at, recorded_at, cause, state, reason, detail, run_state, round)
    select id, next_due_at, next_fire_at, coalesce(%(recorded_at)s::timestamptz, clock_timestamp()),
        'schedule', 'due', '', '', '', 0
    from due
    on conflict (schedule_id, due_at) do nothing
    returning 1
), moved as (
    update automation_schedule as schedule
    set last_due_at = due.next_due_at, next_due_at = null, next_fire_at = null, is_planned = false
    from due where schedule.id = due.id
    returning 1
)
select (select count(*) from moved), (select count(*) from fire);

-- name: plan_schedules
-- Stores the next due times of schedules, each only if nobody has planned or changed it since it was read.
with plan as materialized (
    select * from jsonb_to_recordset(%(plans)s::jsonb) as plan(
        id bigint, revision int, last_due_at timestamptz, planned_from timestamptz, next_due_at timestamptz,
        next_fire_at timestamptz, is_planned boolean, is_done boolean)
), locked as (
    select schedule.id from automation_schedule as schedule join plan using (id)
    where not schedule.is_planned and schedule.revision = plan.revision
        and schedule.last_due_at is not distinct from plan.planned_from
    order by schedule.id
    for no key update of schedule
)
update automation_schedule as schedule
set last_due_at = plan.last_due_at, next_due_at = plan.next_due_at, next_fire_at = plan.next_fire_at,
    is_planned = plan.is_planned, ended_at = case when plan.is_done then now() else schedule.ended_at end
from plan join locked using (id) where schedule.id = plan.id
returning schedule.id;

-- name: insert_fires
-- Writes down due times that nobody recorded when they passed, and those that are asked for by hand.
insert into automation_fire (
    schedule_id, due_at, fire_at, recorded_at, cause, state, reason, detail, run_state, round, backfill_id)
select schedule_id, due_at, fire_at, coalesce(recorded_at, clock_timestamp()), cause, 'due', '', '', '', 0, backfill_id
from jsonb_to_recordset(%(fires)s::jsonb) as fire(
    schedule_id bigint, due_at timestamptz, fire_at timestamptz, recorded_at timestamptz, cause text,
    backfill_id bigint)
on conflict (schedule_id, due_at) do nothing
returning id, schedule_id, due_at;

-- name: settle_fires
-- Stores what has become of fires, each only if it is still due.
update automation_fire as fire
set state = ended.state, reason = ended.reason, detail = ended.detail, run_id = ended.run_id,
    run_state = ended.run_state, settled_at = clock_timestamp()
from jsonb_to_recordset(%(fires)s::jsonb) as ended(
    id bigint, state text, reason text, detail text, run_id uuid, run_state text)
where fire.id = ended.id and fire.state = 'due'
returning fire.id;

-- name: release_buffered
-- Gives the longest waiting fire of each buffer its turn when no run of its schedule is under way.
with first as materialized (
    select distinct on (fire.schedule_id) fire.id from automation_fire as fire
    where fire.state = 'buffered'
        and not exists (
            select from automation_fire as other
            where other.schedule_id = fire.schedule_id and other.run_state = 'running' and other.cause <> 'backfill')
        and not exists (
            select from automation_schedule as schedule
            where schedule.id = fire.schedule_id and schedule.paused_at is not null)
    order by fire.schedule_id, fire.due_at
), locked as (
    select fire.id from automation_fire as fire join first using (id)
    where fire.state = 'buffered' for no key update of fire skip locked
)
update automation_fire as fire set state = 'due' from locked where fire.id = locked.id
returning fire.id;

-- name: next_fire_s
-- How many seconds until something is due; negative: since when.
select extract(epoch from min(next_fire_at) - %(now)s::timestamptz)::float8 from automation_schedule
where next_fire_at is not null;
