-- The hot statements: the only raw SQL of the engine. Each is one round trip and, outside a transaction, one
-- commit. Rows arrive as one JSON array; `audit_record` writes the events of what really changed.
-- The planner takes any JSON array for a hundred rows: `any(array(...))` beside the join keeps it on the index.
-- `epoch` is the fence: a claim raises it, and whoever comes with an older one changes nothing.
-- Runs are divided by month of their ids: `between` the first and the last keeps statements out of the other months,
-- and leaves the planner no other way to a run than its id.

-- name: start_runs
-- Begins runs: the run, its first activations and its audit event, or nothing where its start key is taken, and
-- nothing at all unless the release is the one in use and the workflow may be started: the sender only remembers
-- which versions its release gives. Ids of releases are never used again.
with current as materialized (
    select release_id from workflows_workflow where release_id = %(release_id)s::bigint and is_enabled
), patience as materialized (
    select set_config('lock_timeout', coalesce(%(wait)s::text, current_setting('lock_timeout')), true)
), item as materialized (
    select * from jsonb_to_recordset(%(runs)s::jsonb) as item(
        id uuid, version_id bigint, workflow_name text, input jsonb, correlation_id text, traceparent text,
        started_by text, priority smallint, fairness_key text, fairness_weight float8, deadline_at timestamptz,
        start_key text, start_digest text, start_at timestamptz, is_dry boolean, created_at timestamptz, event jsonb)
), key as (
    insert into workflows_startkey (key, run_id, digest)
    select item.start_key, item.id, item.start_digest
    from item cross join current cross join patience
    where item.start_key is not null
    order by item.start_key
    on conflict (key) do nothing
    returning run_id
), run as (
    insert into workflows_run (
        id, version_id, workflow_name, state, input, correlation_id, traceparent, started_by, priority,
        fairness_key, fairness_weight, round, deadline_at, start_key, start_digest, is_dry, created_at)
    select item.id, version_id, workflow_name, 'running', input, correlation_id, traceparent, started_by, priority,
        fairness_key, fairness_weight, 0, deadline_at, start_key, start_digest, is_dry, created_at
    from item cross join current
    where item.start_key is null or item.id in (select run_id from key)
    returning id
), activation as (
    insert into workflows_activation (
        run_id, version_id, segment, slot, position, range_start, range_end, attempt, round, state, wait_reason,
        wait_object, due_at, owner, epoch, lane, priority, fairness_key, fairness_weight, dispatches, created_at,
        latest_start_at, latest_end_at)
    select item.id, item.version_id, entry.segment, 0, entry.position, 0, 0, 1, 0,
        case when item.start_at is null then 'ready' else 'waiting' end,
        case when item.start_at is null then 'worker' else 'delayed' end,
        '', coalesce(item.start_at, now()), '', 0, entry.lane, item.priority, item.fairness_key, item.fairness_weight,
        0, item.created_at, coalesce(item.start_at, now()) + make_interval(secs => entry.to_start_s),
        coalesce(item.start_at, now()) + make_interval(secs => entry.to_close_s)
    from jsonb_to_recordset(%(entries)s::jsonb) as entry(
        run_id uuid, segment smallint, position smallint, lane text, to_start_s float8, to_close_s float8)
    join item on item.id = entry.run_id
    join run on run.id = item.id
)
select array_agg(item.id), exists (select from current), audit_record(jsonb_agg(item.event)),
    pg_notify('workflows_due', '')
from item join run using (id);

-- name: take_due
-- Takes what must be dispatched now and books its next dispatch, should this one be lost.
-- The lock holds for one statement; schedulers that run beside each other take different rows.
-- It never looks at the backlog as a whole. Per lane it walks the index backwards from a place, through at most
-- `groups` pairs of fairness key and priority, and reads of each the rows that are due longest, at most as many as the
-- lane has room for. Within a key a row counts from when it was due, moved back by its priority (ageing).
-- Between keys the n-th row of a key has the virtual start `lead + (n - 1) / weight`, and the smallest go first.
-- Rows that somebody has locked are passed over; `spare` more than there is room for are looked at because of them.
-- Nobody waits for its commit to be durable: what a crash of the database forgets here is dispatched again.
with recursive ask as materialized (
    select *, set_config('synchronous_commit', 'off', true) from jsonb_to_recordset(%(asks)s::jsonb) as ask(
        urgency int, lane text, room int, spare int, before_key text, before_priority int)
), place as (
    select ask.lane, top.fairness_key, top.priority, 1 as number
    from ask cross join lateral (
        select activation.fairness_key, activation.priority from workflows_activation as activation
        where activation.lane = ask.lane
            and (activation.fairness_key, activation.priority) < (ask.before_key, ask.before_priority)
        order by activation.fairness_key desc, activation.priority desc
        limit 1) as top
    union all
    select place.lane, next.fairness_key, next.priority, place.number + 1
    from place cross join lateral (
        select activation.fairness_key, activation.priority from workflows_activation as activation
        where activation.lane = place.lane
            and (activation.fairness_key, activation.priority) < (place.fairness_key, place.priority)
        order by activation.fairness_key desc, activation.priority desc
        limit 1) as next
    where place.number < %(groups)s
), walk as (
    select lane, max(number) as groups, (array_agg(fairness_key order by number desc))[1] as key,
        (array_agg(priority order by number desc))[1] as priority
    from place group by lane
), ready as (
    select place.lane, place.fairness_key, found.id, found.fairness_weight, found.rank_at,
        row_number() over (partition by place.lane, place.fairness_key order by found.rank_at, found.id) as number
    from place join ask using (lane) cross join lateral (
        select activation.id, activation.fairness_weight,
            activation.due_at - make_interval(secs => place.priority * %(ageing_s)s) as rank_at
        from workflows_activation as activation
        where activation.lane = place.lane and activation.fairness_key = place.fairness_key
            and activation.priority = place.priority and activation.due_at <= now()
        order by activation.due_at
        limit ask.room + ask.spare) as found
), ranked as (
    select ready.id, ready.lane, row_number() over (
        partition by ready.lane
        order by coalesce(ahead.lead, 0) + (ready.number - 1) / ready.fairness_weight, ready.rank_at, ready.id) as turn
    from ready left join jsonb_to_recordset(%(leads)s::jsonb) as ahead(lane text, fairness_key text, lead float8)
        on ahead.lane = ready.lane and ahead.fairness_key = ready.fairness_key
), chosen as (
    select ranked.id, ranked.lane, ranked.turn from ranked join ask using (lane)
    where ranked.turn <= ask.room + ask.spare
), due as (
    select activation.id from workflows_activation as activation
    where activation.id = any(array(select id from chosen)) and activation.due_at <= now()
    for update skip locked
), free as (
    select chosen.id, chosen.lane, row_number() over (partition by chosen.lane order by chosen.turn) as number
    from chosen join due using (id)
), taken as (
    update workflows_activation as activation
    set state = case when activation.wait_reason = any(%(gates)s::text[]) then activation.state else 'ready' end,
        wait_reason = case
            when activation.wait_reason = any(%(gates)s::text[]) then activation.wait_reason else 'worker' end,
        wait_object = case when activation.wait_reason = any(%(gates)s::text[]) then activation.wait_object else '' end,
        dispatches = least(activation.dispatches + 1, 1000),
        due_at = now() + make_interval(
            secs => least(%(again_s)s * power(2, least(activation.dispatches, 10)), %(again_cap_s)s))
    where activation.id = any(array(select free.id from free join ask using (lane) where free.number <= ask.room))
    returning activation.id, activation.run_id, activation.version_id, activation.segment, activation.slot,
        activation.lane, activation.priority, activation.dispatches, activation.owner <> '' as was_lost,
        activation.fairness_key, activation.fairness_weight, activation.wait_reason <> 'worker' as is_gated
)
select ask.lane, coalesce(walk.groups, 0), walk.key, walk.priority,
    (select count(*) from chosen where chosen.lane = ask.lane) - (select count(*) from free where free.lane = ask.lane),
    taken.run_id, taken.version_id, taken.segment,
    taken.slot, taken.lane, taken.priority, taken.dispatches, taken.was_lost, taken.fairness_key, taken.fairness_weight,
    taken.is_gated
from ask left join walk using (lane) left join taken using (lane) left join chosen on chosen.id = taken.id
order by ask.urgency, chosen.turn;

-- name: undo_take
-- Makes activations due again whose message could not be sent. It does not count as one that nobody answered: else
-- a long outage of the broker would end with the longest pauses between wake-ups.
update workflows_activation as activation
set due_at = now() + make_interval(secs => %(delay_s)s), dispatches = greatest(activation.dispatches - 1, 0)
from jsonb_to_recordset(%(refs)s::jsonb) as ref(run_id uuid, segment smallint, slot smallint)
where activation.run_id = any(%(run_ids)s::uuid[])
    and activation.run_id = ref.run_id and activation.segment = ref.segment and activation.slot = ref.slot
    and activation.state = 'ready';

-- name: next_due
-- Seconds until something is due; null when nothing waits.
select extract(epoch from min(due_at) - now())::float8 from workflows_activation;

-- name: count_due
-- How much is due in a lane, counted no further than asked, so that intake can stop before the database suffers.
with recursive place as (
    (select fairness_key, priority, 1 as number from workflows_activation
    where lane = %(lane)s order by fairness_key desc, priority desc limit 1)
    union all
    select next.fairness_key, next.priority, place.number + 1
    from place cross join lateral (
        select activation.fairness_key, activation.priority from workflows_activation as activation
        where activation.lane = %(lane)s
            and (activation.fairness_key, activation.priority) < (place.fairness_key, place.priority)
        order by activation.fairness_key desc, activation.priority desc
        limit 1) as next
    where place.number < 1000
)
select count(*) from (
    select from place cross join lateral (
        select from workflows_activation as activation
        where activation.lane = %(lane)s and activation.fairness_key = place.fairness_key
            and activation.priority = place.priority and activation.due_at <= now()
        limit %(limit)s) as found
    limit %(limit)s
) as due;

-- name: claim
-- Leases activations to a worker. An owner that is still named was lost: its attempt is over, and the next one
-- is made alone, so that a run that kills its workers takes no other with it twice.
with ref as (
    select * from jsonb_to_recordset(%(refs)s::jsonb) as ref(run_id uuid, segment smallint, slot smallint)
), old as (
    select activation.id, activation.owner
    from ref join workflows_activation as activation using (run_id, segment, slot)
    where activation.run_id = any(%(run_ids)s::uuid[])
        and (activation.state = 'ready' or activation.due_at <= now())
        and activation.wait_reason <> all(%(gates)s::text[])
        and (activation.owner = '' or %(is_alone)s)
    for update of activation skip locked
)
update workflows_activation as activation
set state = 'leased',
    wait_reason = 'running',
    wait_object = '',
    owner = %(owner)s,
    epoch = activation.epoch + 1,
    due_at = now() + make_interval(secs => %(lease_s)s),
    dispatches = 0,
    step_started_at = now(),
    first_attempt_at = coalesce(activation.first_attempt_at + coalesce(now() - activation.parked_at, '0'), now()),
    parked_at = null,
    is_woken = false
from old, workflows_run as run
where activation.id = any(array(select id from old)) and activation.id = old.id
    and run.id = activation.run_id and run.id between %(first_run)s::uuid and %(last_run)s::uuid
returning activation.id, activation.epoch, activation.run_id, activation.version_id, activation.segment,
    activation.slot, activation.position, activation.attempt, activation.round, activation.first_attempt_at,
    activation.previous_delay_s, activation.range_start, activation.range_end, old.owner <> '', run.input,
    run.workflow_name, run.correlation_id, run.traceparent, run.created_at, run.deadline_at, run.priority,
    run.fairness_key, run.fairness_weight, (select number from workflows_pauseepoch), activation.begun_at,
    run.ending, run.is_undoing, run.error, activation.notice, run.is_awaited, run.is_dry;

-- name: advance
-- Ends the current step of activations and begins the next one of the same segment. Not where the run is ending: a
-- worker that has notice of that ends its step apart.
with move as (
    select * from jsonb_to_recordset(%(moves)s::jsonb) as move(id bigint, epoch int, position smallint)
), moved as (
    update workflows_activation as activation
    set position = move.position, attempt = 1, previous_delay_s = null, begun_at = null,
        step_started_at = clock_timestamp(), first_attempt_at = clock_timestamp()
    from move
    where activation.id = any(array(select id from move)) and activation.id = move.id and activation.epoch = move.epoch
        and activation.notice = 0
    returning activation.id, activation.run_id
), ended as (
    insert into workflows_step (run_id, step, state, output, error, attempts, started_at, ended_at)
    select moved.run_id, step.step, step.state, step.output, step.error, step.attempts, step.started_at, step.ended_at
    from jsonb_to_recordset(%(steps)s::jsonb) as step(
        id bigint, step text, state text, output jsonb, error jsonb, attempts smallint, started_at timestamptz,
        ended_at timestamptz)
    join moved using (id)
)
select array_agg(moved.id), (
    select audit_record(jsonb_agg(event.event))
    from jsonb_to_recordset(%(events)s::jsonb) as event(id bigint, event jsonb)
    where event.id in (select id from moved)
), (select number from workflows_pauseepoch) from moved;

-- name: advance_one
-- Does what `advance` does, for one activation that ends one step with one event: taking JSON apart and joining sets
-- of one row cost a third of the statement.
with moved as (
    update workflows_activation as activation
    set position = %(position)s::smallint, attempt = 1, previous_delay_s = null, begun_at = null,
        step_started_at = clock_timestamp(), first_attempt_at = clock_timestamp()
    where activation.id = %(id)s::bigint and activation.epoch = %(epoch)s::int and activation.notice = 0
    returning activation.id, activation.run_id
), ended as (
    insert into workflows_step (run_id, step, state, output, error, attempts, started_at, ended_at)
    select run_id, %(step)s::text, %(state)s::text, %(output)s::jsonb, %(error)s::jsonb, %(attempts)s::smallint,
        %(started_at)s::timestamptz, %(ended_at)s::timestamptz
    from moved
)
select id, audit_record(%(events)s::jsonb), (select number from workflows_pauseepoch) from moved;

-- name: finish
-- Ends the last step of activations together with their runs: for workflows of one segment.
-- `|| ''` keeps it away from the index of running runs, which holds an entry of each that has ended since a vacuum.
with move as (
    select * from jsonb_to_recordset(%(moves)s::jsonb) as move(
        id bigint, epoch int, state text, output jsonb, error jsonb, ended_at timestamptz)
), gone as (
    delete from workflows_activation as activation
    using move
    where activation.id = any(array(select id from move)) and activation.id = move.id and activation.epoch = move.epoch
        and activation.notice = 0
    returning activation.id, activation.run_id
), ended as (
    insert into workflows_step (run_id, step, state, output, error, attempts, started_at, ended_at)
    select gone.run_id, step.step, step.state, step.output, step.error, step.attempts, step.started_at, step.ended_at
    from jsonb_to_recordset(%(steps)s::jsonb) as step(
        id bigint, step text, state text, output jsonb, error jsonb, attempts smallint, started_at timestamptz,
        ended_at timestamptz)
    join gone using (id)
), run as (
    update workflows_run as run
    set state = move.state, output = move.output, error = move.error, ended_at = move.ended_at
    from gone join move using (id)
    where run.id = gone.run_id and run.state || '' = 'running' and run.id between %(first_run)s::uuid and %(last_run)s::uuid
)
select array_agg(gone.id), (
    select audit_record(jsonb_agg(event.event))
    from jsonb_to_recordset(%(events)s::jsonb) as event(id bigint, event jsonb)
    where event.id in (select id from gone)
) from gone;

-- name: retry_later
-- Ends attempts without success and books the next ones.
with move as (
    select * from jsonb_to_recordset(%(moves)s::jsonb) as move(
        id bigint, epoch int, step text, attempt smallint, round smallint, delay_s float8, kind text,
        message text, evidence jsonb, started_at timestamptz, ended_at timestamptz)
), moved as (
    update workflows_activation as activation
    set state = 'waiting', wait_reason = 'retry', owner = '', attempt = move.attempt + 1,
        previous_delay_s = move.delay_s, due_at = now() + make_interval(secs => move.delay_s)
    from move
    where activation.id = any(array(select id from move)) and activation.id = move.id and activation.epoch = move.epoch
        and activation.notice = 0
    returning activation.id, activation.run_id
), failed as (
    insert into workflows_attempt (
        run_id, step, index, round, attempt, kind, message, evidence, started_at, ended_at, delay_s)
    select moved.run_id, move.step, null, move.round, move.attempt, move.kind, move.message, move.evidence,
        move.started_at, move.ended_at, move.delay_s
    from moved join move using (id)
)
select array_agg(moved.id), (
    select audit_record(jsonb_agg(event.event))
    from jsonb_to_recordset(%(events)s::jsonb) as event(id bigint, event jsonb)
    where event.id in (select id from moved)
), pg_notify('workflows_due', '') from moved;

-- name: postpone
-- Puts activations aside that could not be tried now; no attempt is spent, nor any of the time retries may take.
with hold as (
    select * from jsonb_to_recordset(%(holds)s::jsonb) as hold(
        id bigint, epoch int, reason text, object text, delay_s float8)
), postponed as (
    update workflows_activation as activation
    set state = 'waiting', wait_reason = hold.reason, wait_object = hold.object, owner = '',
        due_at = case when activation.notice > 0 then now() else now() + make_interval(secs => hold.delay_s) end,
        first_attempt_at = case when activation.attempt > 1
            then activation.first_attempt_at + make_interval(secs => hold.delay_s) end
    from hold
    where activation.id = any(array(select id from hold)) and activation.id = hold.id and activation.epoch = hold.epoch
    returning activation.id
)
select array_agg(postponed.id), pg_notify('workflows_due', '') from postponed;

-- name: park
-- Puts activations aside whose step has begun and waits for something outside. Whoever wakes it while a worker still
-- looks leaves a mark, so that what was answered between the look and this statement is seen at once.
with hold as (
    select * from jsonb_to_recordset(%(holds)s::jsonb) as hold(
        id bigint, epoch int, reason text, object text, until timestamptz, begun_at timestamptz, event jsonb)
), parked as (
    update workflows_activation as activation
    set state = 'waiting', wait_reason = hold.reason, wait_object = hold.object, owner = '',
        due_at = case when activation.is_woken or activation.notice > 0 then now() else hold.until end,
        begun_at = hold.begun_at, parked_at = now(), is_woken = false
    from hold
    where activation.id = any(array(select id from hold)) and activation.id = hold.id and activation.epoch = hold.epoch
    returning activation.id
)
select array_agg(parked.id), (
    select audit_record(jsonb_agg(hold.event))
    from hold where hold.event is not null and hold.id in (select id from parked)
), pg_notify('workflows_due', '') from parked;

-- name: wake
-- Makes parked steps due, or leaves a mark for the worker that is looking; gives how many were parked.
with sleeper as (
    select * from jsonb_to_recordset(%(sleepers)s::jsonb) as sleeper(run_id uuid, segment smallint, position smallint)
), found as (
    select activation.id,
        activation.state = 'waiting' and activation.parked_at is not null and activation.due_at > now() as is_parked
    from sleeper join workflows_activation as activation using (run_id, segment, position)
    where activation.run_id = any(%(run_ids)s::uuid[])
    order by activation.id
    for update of activation
), woken as (
    update workflows_activation as activation
    set due_at = case when found.is_parked then now() else activation.due_at end, is_woken = not found.is_parked
    from found
    where activation.id = any(array(select id from found)) and activation.id = found.id
)
select count(*) filter (where is_parked), pg_notify('workflows_due', '') from found;

-- name: park_items
-- Puts items aside that have begun and wait for something outside; their puller goes on with others.
with holder as (
    select id from workflows_activation where id = %(id)s and epoch = %(epoch)s for update
), stay as (
    select * from jsonb_to_recordset(%(stays)s::jsonb) as stay(
        index int, reason text, object text, until timestamptz, begun_at timestamptz)
), parked as (
    update workflows_item as item
    set state = 'waiting', wait_reason = stay.reason, wait_object = stay.object, slot = null,
        due_at = case when item.is_woken then now() else stay.until end,
        started_at = stay.begun_at, parked_at = now(), is_woken = false
    from stay, holder
    where item.run_id = %(run_id)s and item.step = %(step)s and item.index = any(%(indexes)s::int[])
        and item.index = stay.index and item.state in ('ready', 'running')
    returning item.index
)
select array_agg(parked.index), audit_record(%(events)s::jsonb) from parked having count(*) > 0;

-- name: release
-- Gives activations back that their worker did not come to, or has worked on long enough. What only makes way for
-- more urgent work keeps its place: it counts as due since it was ready.
with hold as (
    select * from jsonb_to_recordset(%(holds)s::jsonb) as hold(id bigint, epoch int)
), released as (
    update workflows_activation as activation
    set state = 'ready', wait_reason = 'worker', owner = '', due_at = case
        when %(keeps_place)s then least(activation.created_at, now()) else now() + make_interval(secs => %(delay_s)s) end
    from hold
    where activation.id = any(array(select id from hold)) and activation.id = hold.id and activation.epoch = hold.epoch
    returning activation.id
)
select count(*), pg_notify('workflows_due', '') from released;

-- name: renew
-- Extends the leases of a worker that is alive and busy; gives the ones it still holds.
-- What it has given back, or what waits for a retry, has no owner and stays as it is.
with hold as (
    select * from jsonb_to_recordset(%(holds)s::jsonb) as hold(id bigint, epoch int)
)
update workflows_activation as activation
set due_at = now() + make_interval(secs => %(lease_s)s), state = 'leased', wait_reason = 'running'
from hold
where activation.id = any(array(select id from hold)) and activation.id = hold.id and activation.epoch = hold.epoch
    and activation.owner <> ''
returning activation.id;

-- name: take_items
-- Hands the next items of a for_each to one of its pullers, which keeps them until they have ended.
with next as (
    select fanout.run_id, fanout.step, fanout.next_index as first,
        fanout.next_index + greatest(1, least(
            %(limit)s::int, (fanout.total - fanout.next_index) / (2 * %(parallel)s::int))) as until
    from workflows_fanout as fanout
    where fanout.run_id = %(run_id)s and fanout.step = %(step)s and fanout.next_index < fanout.total
    for update
), held as (
    update workflows_activation as activation
    set range_start = next.first, range_end = next.until
    from next
    where activation.id = %(id)s and activation.epoch = %(epoch)s and activation.notice = 0
    returning activation.id
), taken as (
    update workflows_fanout as fanout
    set next_index = next.until
    from next, held
    where fanout.run_id = next.run_id and fanout.step = next.step
)
select item.index, item.value, item.attempt, item.previous_delay_s, item.started_at
from next, held, workflows_item as item
where item.run_id = %(run_id)s and item.step = %(step)s
    and item.index >= next.first and item.index < next.until
order by item.index;

-- name: held_items
-- The items that a puller holds and has not ended: what its successor goes on with after a loss.
select item.index, item.value, item.attempt, item.previous_delay_s, item.started_at
from workflows_item as item
where item.run_id = %(run_id)s and item.step = %(step)s and item.state = 'ready'
    and (item.index >= %(first)s and item.index < %(until)s)
order by item.index;

-- name: held_retries
-- Like held_items, for the items that the puller took for a retry.
select item.index, item.value, item.attempt, item.previous_delay_s, item.started_at, item.round, item.parked_s
from workflows_item as item
where item.run_id = %(run_id)s and item.step = %(step)s and item.state = 'running' and item.due_at is null
    and item.slot = %(slot)s
order by item.index;

-- name: take_waiting_items
-- Hands items to a puller whose time to be tried again has come. `exists` has the puller locked before any item.
with holder as (
    select id from workflows_activation where id = %(id)s and epoch = %(epoch)s and notice = 0 for update
)
update workflows_item as item
set state = 'running', due_at = null, slot = %(slot)s, wait_reason = '', wait_object = '', is_woken = false,
    parked_s = item.parked_s + coalesce(extract(epoch from now() - item.parked_at), 0), parked_at = null
from holder, (
    select index from workflows_item
    where run_id = %(run_id)s and step = %(step)s and due_at <= now() and exists (select from holder)
    order by due_at
    limit %(limit)s
    for update skip locked
) as waiting
where item.run_id = %(run_id)s and item.step = %(step)s and item.index = waiting.index
returning item.index, item.value, item.attempt, item.previous_delay_s, item.started_at, item.round, item.parked_s;

-- name: end_items
-- Ends items, or books their next attempt, for the puller that holds them.
with holder as (
    select id from workflows_activation where id = %(id)s and epoch = %(epoch)s for update
), result as (
    select * from jsonb_to_recordset(%(results)s::jsonb) as result(
        index int, state text, output jsonb, error jsonb, attempt smallint, delay_s float8,
        started_at timestamptz, ended_at timestamptz)
), ended as (
    update workflows_item as item
    set state = result.state, output = result.output, error = result.error, attempt = result.attempt,
        slot = null, previous_delay_s = result.delay_s, started_at = result.started_at,
        ended_at = result.ended_at,
        due_at = case when result.state = 'waiting' then now() + make_interval(secs => result.delay_s) end
    from result, holder
    where item.run_id = %(run_id)s and item.step = %(step)s and item.index = any(%(indexes)s::int[])
        and item.index = result.index and item.state in ('ready', 'running')
    returning item.index
)
select (select number from workflows_pauseepoch), array_agg(ended.index), audit_record(%(events)s::jsonb)
from ended having count(*) > 0;

-- name: open_items
-- Stores the items of a for_each in their order; gives how many there are.
with stored as (
    insert into workflows_item (run_id, step, index, state, value, attempt)
    select %(run_id)s, %(step)s, item.position - 1, 'ready', item.value, 1
    from jsonb_array_elements(%(items)s::jsonb) with ordinality as item(value, position)
    returning 1
)
select count(*) from stored;

-- name: notify
-- Tells the dispatchers, at commit, that something is due.
select pg_notify('workflows_due', '');

-- name: find_release
-- The versions that starts of a workflow get, and whether there may be any.
select release.id, release.version_id, release.canary_id, release.canary_percent, workflow.is_enabled
from workflows_workflow as workflow
join workflows_release as release on release.id = workflow.release_id
where workflow.name = %(name)s;

-- name: raise_incidents
-- Opens the incidents of failures, or opens them again. One that is open already is only read: equal failures wait for
-- each other at the first of them alone, and the sweep counts them.
with failure as materialized (
    select * from jsonb_to_recordset(%(failures)s::jsonb) as failure(
        fingerprint text, workflow_name text, step text, kind text, title text, example text, at timestamptz,
        opened jsonb, failed_again jsonb, reopened jsonb)
), new as (
    insert into workflows_incident (
        fingerprint, workflow_name, step, kind, title, example, state, owner, reason, count, reopened, first_seen_at,
        last_seen_at, opened_at, changed_at)
    select fingerprint, workflow_name, step, kind, title, example, 'open', '', '', 0, 0, at, at, at, at
    from failure
    where not exists (select from workflows_incident as known where known.fingerprint = failure.fingerprint)
    order by fingerprint
    on conflict (fingerprint) do nothing
    returning fingerprint
), old as (
    select known.fingerprint, known.state
    from workflows_incident as known
    where known.fingerprint = any(%(fingerprints)s::text[]) and known.state <> 'open'
    order by known.fingerprint
    for update
), back as (
    update workflows_incident as incident
    set state = 'open', reason = '', changed_at = failure.at,
        reopened = incident.reopened + (old.state <> 'resolving')::int,
        opened_at = case when old.state = 'resolving' then incident.opened_at else failure.at end
    from old join failure using (fingerprint)
    where incident.fingerprint = any(%(fingerprints)s::text[]) and incident.fingerprint = old.fingerprint
    returning incident.fingerprint, old.state
)
select audit_record(jsonb_agg(event.event)) from (
    select failure.opened as event from failure join new using (fingerprint)
    union all
    select case back.state when 'resolving' then failure.failed_again else failure.reopened end
    from failure join back using (fingerprint)
) as event;

-- name: count_failures
-- Adds failures to the counts of their incidents, by one process at a time; gives the incidents. They are locked in the
-- order of `raise_incidents`, which holds those it opens until its transaction ends.
with turn as materialized (
    select pg_try_advisory_xact_lock(hashtext('count_failures')) as is_mine
), batch as (
    select id, fingerprint, created_at
    from workflows_deadletter
    where not is_counted and (select is_mine from turn)
    order by id
    limit %(limit)s
    for update skip locked
), counted as (
    update workflows_deadletter as letter
    set is_counted = true
    where letter.id = any(array(select id from batch))
), hourly as (
    insert into workflows_incidenthour (fingerprint, begins_at, count)
    select fingerprint, date_trunc('hour', created_at, 'UTC'), count(*)
    from batch
    where fingerprint <> ''
    group by 1, 2
    on conflict (fingerprint, begins_at) do update set count = workflows_incidenthour.count + excluded.count
), total as materialized (
    select fingerprint, count(*) as number, max(created_at) as latest_at from batch group by fingerprint
), known as materialized (
    select incident.fingerprint
    from workflows_incident as incident
    where incident.fingerprint = any(array(select fingerprint from total))
    order by incident.fingerprint
    for update
)
update workflows_incident as incident
set count = incident.count + total.number, last_seen_at = greatest(incident.last_seen_at, total.latest_at)
from total
where incident.fingerprint = any(array(select fingerprint from known)) and incident.fingerprint = total.fingerprint
returning incident.fingerprint;

-- name: take_slots
-- Gives an activation a free slot of each limit it wants, all or none; says which exist and which it could not have.
-- Who came earlier goes first: a slot is left to those in line until they have been woken.
with wanted as materialized (
    select limits.id, limits.name, held.id is not null as is_held
    from workflows_limit as limits
    left join workflows_slot as held on held.limit_id = limits.id and held.holder = %(id)s
    where limits.name = any(%(limits)s::text[])
), me as (
    select activation.id, activation.priority from workflows_activation as activation
    where activation.id = %(id)s and activation.epoch = %(epoch)s
), free as materialized (
    select wanted.id, wanted.name, slot.id as slot_id
    from me, wanted
    cross join lateral (
        select slot.id from workflows_slot as slot
        where slot.limit_id = wanted.id and slot.holder is null
        order by slot.number
        limit 1
        for update skip locked
    ) as slot
    where not wanted.is_held and not exists (
        select from workflows_activation as ahead
        where ahead.wait_reason = 'limit' and ahead.wait_object = wanted.name and ahead.due_at > now()
            and (ahead.priority, -ahead.id) > (me.priority, -me.id))
), marked as (
    update workflows_activation as activation
    set holds_slots = true
    where activation.id = %(id)s and activation.epoch = %(epoch)s
        and (select count(*) from free) = (select count(*) from wanted where not is_held)
    returning activation.id
), taken as (
    update workflows_slot as slot
    set holder = marked.id, taken_at = now()
    from marked, free
    where slot.id = free.slot_id
)
select wish.name, wanted.id is not null, coalesce(wanted.is_held or free.slot_id is not null, false)
from unnest(%(limits)s::text[]) as wish(name)
left join wanted on wanted.name = wish.name
left join free on free.name = wish.name;

-- name: wake_line
-- Makes those due who are first in line for a free slot, as many as there are; what they did not wait is given back
-- to the time their retries may take.
with woken as (
    select waiter.id
    from workflows_limit as limits
    cross join lateral (
        select count(*) as number from (
            select from workflows_slot as slot
            where slot.limit_id = limits.id and slot.holder is null
            limit 1000
        ) as slot
    ) as free
    cross join lateral (
        select activation.id from workflows_activation as activation
        where activation.wait_reason = 'limit' and activation.wait_object = limits.name and activation.due_at > now()
        order by activation.priority desc, activation.id
        limit free.number
        for update skip locked
    ) as waiter
    where limits.name = any(%(limits)s::text[])
)
update workflows_activation as activation
set due_at = now(),
    first_attempt_at = case when activation.attempt > 1
        then activation.first_attempt_at - (activation.due_at - now()) end
from woken
where activation.id = any(array(select id from woken)) and activation.id = woken.id
returning activation.run_id, activation.segment, activation.slot;

-- name: hand_on
-- Calls who is first in line for a free slot of each limit: the first one on `lane` is leased to a worker together with
-- the slot, whoever else it is becomes due, and the dispatchers are told. What they did not wait is given back to the
-- time their retries may take, as `wake_line` does it; the lease is that of `claim`.
with called as materialized (
    select limits.id as limit_id, limits.name, waiter.id, waiter.lane
    from workflows_limit as limits
    cross join lateral (
        select count(*) as number from (
            select from workflows_slot as slot
            where slot.limit_id = limits.id and slot.holder is null
            limit 1
        ) as slot
    ) as free
    cross join lateral (
        select activation.id, activation.lane from workflows_activation as activation
        where activation.wait_reason = 'limit' and activation.wait_object = limits.name and activation.due_at > now()
        order by activation.priority desc, activation.id
        limit free.number
        for update skip locked
    ) as waiter
    where limits.name = any(%(limits)s::text[])
), own as materialized (
    select first.id, first.name, slot.id as slot_id
    from (select * from called where lane = %(lane)s order by name limit 1) as first
    cross join lateral (
        select slot.id from workflows_slot as slot
        where slot.limit_id = first.limit_id and slot.holder is null
        order by slot.number
        limit 1
        for update skip locked
    ) as slot
), taken as (
    update workflows_slot as slot
    set holder = own.id, taken_at = now()
    from own
    where slot.id = any(array(select slot_id from own)) and slot.id = own.slot_id
), woken as (
    update workflows_activation as activation
    set due_at = now(),
        first_attempt_at = case when activation.attempt > 1
            then activation.first_attempt_at - (activation.due_at - now()) end
    where activation.id = any(array(select id from called where id not in (select id from own)))
    returning activation.id
), leased as (
    update workflows_activation as activation
    set state = 'leased',
        wait_reason = 'running',
        wait_object = '',
        holds_slots = true,
        owner = %(owner)s,
        epoch = activation.epoch + 1,
        due_at = now() + make_interval(secs => %(lease_s)s),
        dispatches = 0,
        step_started_at = now(),
        first_attempt_at = coalesce(case when activation.attempt > 1 then activation.first_attempt_at
            - (activation.due_at - now()) + coalesce(now() - activation.parked_at, '0') end, now()),
        parked_at = null,
        is_woken = false
    where activation.id = any(array(select id from own))
    returning activation.*
), others as (
    select count(*) as number, max(pg_notify('workflows_due', '')::text) from woken
)
select own.name, leased.id, leased.epoch, leased.run_id, leased.version_id, leased.segment, leased.slot,
    leased.position, leased.attempt, leased.round, leased.first_attempt_at, leased.previous_delay_s,
    leased.range_start, leased.range_end, false, run.input, run.workflow_name, run.correlation_id, run.traceparent,
    run.created_at, run.deadline_at, run.priority, run.fairness_key, run.fairness_weight,
    (select number from workflows_pauseepoch), leased.begun_at, run.ending, run.is_undoing, run.error, leased.notice,
    run.is_awaited, run.is_dry
from others left join own on true left join leased on leased.id = own.id
left join workflows_run as run on run.id = leased.run_id;

-- name: slots_leaked
-- Slots in the hands of nobody who is at work: there is never one, whatever was killed.
select limits.name, slot.number, slot.holder
from workflows_slot as slot
join workflows_limit as limits on limits.id = slot.limit_id
left join workflows_activation as activation on activation.id = slot.holder
where slot.holder is not null
    and (activation.id is null or activation.state <> 'leased' or not activation.holds_slots)
order by limits.name, slot.number;

-- name: limit_names
-- The limits that exist.
select name from workflows_limit order by name;

-- name: hold_gates
-- Locks the gates of a start, in the order of their ids, and makes those that do not exist yet.
insert into workflows_gate as gate (
    id, workflow_name, kind, key, version, slots, refused, joined, touched_at)
select item.id, item.workflow_name, item.kind, item.key, item.version, item.slots, 0, 0, now()
from jsonb_to_recordset(%(gates)s::jsonb) as item(
    id uuid, workflow_name text, kind smallint, key text, version int, slots int)
order by item.id
on conflict (id) do update set
    touched_at = now(),
    version = greatest(gate.version, excluded.version),
    slots = case when excluded.version >= gate.version then excluded.slots else gate.slots end
returning gate.id, gate.slots, gate.run_id, gate.joined, gate.opened_at;

-- name: take_turn
-- Gives the next turn at a gate by the cell rate algorithm, or refuses and counts it; see `workflows/core/gcra.py`.
insert into workflows_gate as gate (
    id, workflow_name, kind, key, version, slots, refused, joined, tat, touched_at)
values (%(id)s, %(workflow)s, %(kind)s, %(key)s, 0, 1, 0, 0, now() + make_interval(secs => %(interval_s)s), now())
on conflict (id) do update set
    touched_at = now(),
    refused = gate.refused + (%(may_refuse)s and coalesce(gate.tat, now()) > now()
        + make_interval(secs => %(tolerance_s)s))::int,
    refusing_since = case
        when %(may_refuse)s and coalesce(gate.tat, now()) > now() + make_interval(secs => %(tolerance_s)s)
        then coalesce(gate.refusing_since, now()) end,
    tat = case
        when %(may_refuse)s and coalesce(gate.tat, now()) > now() + make_interval(secs => %(tolerance_s)s)
        then gate.tat
        else greatest(gate.tat, now()) + make_interval(secs => %(interval_s)s) end
returning gate.refusing_since is not null, extract(epoch from
    gate.tat - now() - make_interval(secs => %(tolerance_s)s + case
        when gate.refusing_since is null then %(interval_s)s else 0 end))::float8;

-- name: lock_start_key
-- Lets starts with the same idempotency key go one after the other, so that a repeated one consumes nothing.
with patience as materialized (
    select set_config('lock_timeout', coalesce(%(wait)s::text, current_setting('lock_timeout')), true)
)
select pg_advisory_xact_lock(hashtextextended(%(key)s, 0)) is null from patience;

-- name: find_admissible
-- Those who wait at gates with room and, wherever else they wait, find room too; who has waited longest comes first.
-- Each line is read from its head and no further than needed, however long it is.
select slot.run_id, (
    select array_agg(other.gate_id) from workflows_runslot as other
    where other.run_id = slot.run_id and other.number is null
)
from unnest(%(gates)s::uuid[]) as wanted(gate_id) cross join lateral (
    select waiting.id, waiting.run_id from workflows_runslot as waiting
    where waiting.gate_id = wanted.gate_id and waiting.number is null and not exists (
        select from workflows_runslot as other join workflows_gate as gate on gate.id = other.gate_id
        where other.run_id = waiting.run_id and other.number is null and gate.slots <= (
            select count(*) from workflows_runslot as held
            where held.gate_id = gate.id and held.number is not null))
    order by waiting.id
    limit %(limit)s
) as slot
group by slot.run_id
order by min(slot.id)
limit %(limit)s;

-- name: set_aside
-- Puts activations aside whose next step may not begin because of a pause; `step_started_at` says since when.
with hold as (
    select * from jsonb_to_recordset(%(holds)s::jsonb) as hold(id bigint, epoch int, object text)
), aside as (
    update workflows_activation as activation
    set state = 'waiting', wait_reason = 'paused', wait_object = hold.object, owner = '', step_started_at = now(),
        due_at = '9999-01-01 00:00:00+00'
    from hold
    where activation.id = any(array(select id from hold)) and activation.id = hold.id and activation.epoch = hold.epoch
    returning activation.id
)
select count(*) from aside;

-- name: give_back
-- Makes activations due that wait for a pause which is over, the longest waiting first; the time they stood still
-- does not count among the time their retries may take.
with back as (
    select id from workflows_activation
    where wait_reason = 'paused' and wait_object <> all(%(kept)s::text[])
    order by wait_object, id
    limit %(limit)s
    for update skip locked
), given as (
    update workflows_activation as activation
    set state = 'ready', wait_reason = 'worker', wait_object = '', due_at = least(activation.created_at, now()),
        dispatches = 0, step_started_at = null,
        first_attempt_at = case when activation.attempt > 1
            then activation.first_attempt_at + (now() - activation.step_started_at) end
    where activation.id = any(array(select id from back))
    returning activation.id
)
select count(*), pg_notify('workflows_due', '') from given;

-- name: older_work
-- Whether a transaction is still open that may have judged by the pauses as they were before an instant.
select exists (
    select from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
        and state <> 'idle' and xact_start < %(since)s::timestamptz
);

-- name: clock
-- The database's clock.
select clock_timestamp()::text;

-- name: beat
-- Stores signs of life of steps. One under an older lease than the row's came too late, and changes nothing.
insert into workflows_heartbeat as heartbeat (
    run_id, step, index, activation, epoch, attempt, progress, beaten_at, late_at)
select beat.run_id, beat.step, beat.index, beat.activation, beat.epoch, beat.attempt, beat.progress, now(),
    now() + make_interval(secs => beat.late_after_s)
from jsonb_to_recordset(%(beats)s::jsonb) as beat(
    run_id uuid, step text, index int, activation bigint, epoch int, attempt smallint, progress jsonb,
    late_after_s float8)
order by beat.run_id, beat.step, beat.index
on conflict (run_id, step, index) do update
set activation = excluded.activation, epoch = excluded.epoch, attempt = excluded.attempt,
    progress = coalesce(excluded.progress, heartbeat.progress), beaten_at = excluded.beaten_at, late_at = excluded.late_at
where (excluded.activation, excluded.epoch) >= (heartbeat.activation, heartbeat.epoch);

-- name: find_sweeps
-- Which sweeps may have something to do. Each condition holds wherever its sweep would find something; nearly all looks
-- find none, and cost one statement.
select array_remove(array[
    case when exists (
        select from workflows_run where state = 'running' and deadline_at <= %(now)s::timestamptz)
    then 'deadlines' end,
    case when exists (select from workflows_activation where latest_start_at <= %(now)s::timestamptz)
        or exists (select from workflows_activation where latest_end_at <= %(now)s::timestamptz)
    then 'overruns' end,
    case when exists (select from workflows_heartbeat where late_at <= %(now)s::timestamptz) then 'silence' end,
    case when exists (select from workflows_poisonmessage where state = 'open') then 'messages' end,
    case when exists (select from workflows_deadletter where not is_counted)
        or exists (select from workflows_incident where state = 'resolving')
    then 'incidents' end,
    case when exists (select from workflows_slot where holder is not null)
        or exists (select from workflows_activation where wait_reason = 'limit')
    then 'limits' end,
    case when exists (select from workflows_activation where wait_reason = 'paused')
        or exists (select from workflows_pause where scope = 'run')
    then 'pauses' end,
    case when exists (select from workflows_childrun where "order" = 'wanted')
        or exists (select from workflows_childrun where is_owed)
    then 'children' end,
    case when exists (
        select from workflows_workflow as workflow
        join workflows_release as release on release.id = workflow.release_id
        where release.failed_percent is not null and release.canary_id is not null)
    then 'canaries' end
], null);
