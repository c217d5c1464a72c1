-- The hot statements: the only raw SQL of the engine. Each is one round trip and, outside a transaction, one
-- commit. Rows arrive as one JSON array; `audit_record` writes the events of what really changed.
-- The planner takes any JSON array for a hundred rows: `any(array(...))` beside the join keeps it on the index.
-- `epoch` is the fence: a claim raises it, and whoever comes with an older one changes nothing.

-- name: start_runs
-- Begins runs: the run, its first activations and its audit event, or nothing where its start key is taken.
with item as materialized (
    select * from jsonb_to_recordset(%(runs)s::jsonb) as item(
        id uuid, version_id bigint, workflow_name text, input jsonb, correlation_id text, traceparent text,
        started_by text, priority smallint, deadline_at timestamptz, start_key text, start_digest text,
        created_at timestamptz, event jsonb)
), run as (
    insert into workflows_run (
        id, version_id, workflow_name, state, input, correlation_id, traceparent, started_by, priority, round,
        deadline_at, start_key, start_digest, created_at)
    select id, version_id, workflow_name, 'running', input, correlation_id, traceparent, started_by, priority,
        0, deadline_at, start_key, start_digest, created_at
    from item
    on conflict (start_key) where start_key is not null do nothing
    returning id
), activation as (
    insert into workflows_activation (
        run_id, version_id, segment, slot, position, range_start, range_end, attempt, round, state, wait_reason,
        wait_object, due_at, owner, epoch, lane, priority, dispatches, created_at)
    select item.id, item.version_id, entry.segment, 0, entry.position, 0, 0, 1, 0, 'ready', 'worker',
        '', now(), '', 0, entry.lane, item.priority, 0, item.created_at
    from jsonb_to_recordset(%(entries)s::jsonb) as entry(run_id uuid, segment smallint, position smallint, lane text)
    join item on item.id = entry.run_id
    join run on run.id = item.id
)
select array_agg(item.id), audit_record(jsonb_agg(item.event)), pg_notify('workflows_due', '')
from item join run using (id);

-- name: take_due
-- Takes what must be dispatched now and books its next dispatch, should this one be lost.
-- The lock holds for one statement; schedulers that run beside each other take different rows.
with due as (
    select id from workflows_activation
    where due_at <= now() and lane = any(%(lanes)s::text[])
    order by priority desc, due_at
    limit %(limit)s
    for update skip locked
)
update workflows_activation as activation
set state = case when activation.wait_reason = any(%(gates)s::text[]) then activation.state else 'ready' end,
    wait_reason = case when activation.wait_reason = any(%(gates)s::text[]) then activation.wait_reason else 'worker' end,
    wait_object = case when activation.wait_reason = any(%(gates)s::text[]) then activation.wait_object else '' end,
    dispatches = least(activation.dispatches + 1, 1000),
    due_at = now() + make_interval(secs => least(%(again_s)s * power(2, least(activation.dispatches, 10)), %(again_cap_s)s))
where activation.id = any(array(select id from due))
returning activation.run_id, activation.version_id, activation.segment, activation.slot, activation.lane,
    activation.priority, activation.dispatches, activation.owner <> '', activation.wait_reason <> 'worker';

-- name: undo_take
-- Makes activations due again whose message could not be sent.
update workflows_activation as activation
set due_at = now() + make_interval(secs => %(delay_s)s)
from jsonb_to_recordset(%(refs)s::jsonb) as ref(run_id uuid, segment smallint, slot smallint)
where activation.run_id = any(%(run_ids)s::uuid[])
    and activation.run_id = ref.run_id and activation.segment = ref.segment and activation.slot = ref.slot
    and activation.state = 'ready';

-- name: next_due
-- Seconds until something is due; null when nothing waits.
select extract(epoch from min(due_at) - now())::float8 from workflows_activation;

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
    first_attempt_at = coalesce(activation.first_attempt_at, now())
from old, workflows_run as run
where activation.id = any(array(select id from old)) and activation.id = old.id
    and run.id = any(%(run_ids)s::uuid[]) and run.id = activation.run_id
returning activation.id, activation.epoch, activation.run_id, activation.version_id, activation.segment,
    activation.slot, activation.position, activation.attempt, activation.round, activation.first_attempt_at,
    activation.previous_delay_s, activation.range_start, activation.range_end, old.owner <> '', run.input,
    run.workflow_name, run.correlation_id, run.traceparent, run.created_at, run.deadline_at, run.priority;

-- name: advance
-- Ends the current step of activations and begins the next one of the same segment.
with move as (
    select * from jsonb_to_recordset(%(moves)s::jsonb) as move(id bigint, epoch int, position smallint)
), moved as (
    update workflows_activation as activation
    set position = move.position, attempt = 1, previous_delay_s = null,
        step_started_at = clock_timestamp(), first_attempt_at = clock_timestamp()
    from move
    where activation.id = any(array(select id from move)) and activation.id = move.id and activation.epoch = move.epoch
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
) from moved;

-- name: finish
-- Ends the last step of activations together with their runs: for workflows of one segment.
with move as (
    select * from jsonb_to_recordset(%(moves)s::jsonb) as move(
        id bigint, epoch int, state text, output jsonb, error jsonb, ended_at timestamptz)
), gone as (
    delete from workflows_activation as activation
    using move
    where activation.id = any(array(select id from move)) and activation.id = move.id and activation.epoch = move.epoch
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
    where run.id = any(array(select run_id from gone)) and run.id = gone.run_id and run.state = 'running'
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
        due_at = now() + make_interval(secs => hold.delay_s),
        first_attempt_at = case when activation.attempt > 1
            then activation.first_attempt_at + make_interval(secs => hold.delay_s) end
    from hold
    where activation.id = any(array(select id from hold)) and activation.id = hold.id and activation.epoch = hold.epoch
    returning activation.id
)
select array_agg(postponed.id), pg_notify('workflows_due', '') from postponed;

-- name: release
-- Gives activations back that their worker did not come to, or has worked on long enough.
with hold as (
    select * from jsonb_to_recordset(%(holds)s::jsonb) as hold(id bigint, epoch int)
), released as (
    update workflows_activation as activation
    set state = 'ready', wait_reason = 'worker', owner = '', due_at = now() + make_interval(secs => %(delay_s)s)
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
    where activation.id = %(id)s and activation.epoch = %(epoch)s
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
select item.index, item.value, item.attempt, item.previous_delay_s, item.started_at
from workflows_item as item
where item.run_id = %(run_id)s and item.step = %(step)s and item.state = 'running' and item.due_at is null
    and item.slot = %(slot)s
order by item.index;

-- name: take_waiting_items
-- Hands items to a puller whose time to be tried again has come.
with holder as (
    select id from workflows_activation where id = %(id)s and epoch = %(epoch)s for update
)
update workflows_item as item
set state = 'running', due_at = null, slot = %(slot)s
from holder, (
    select index from workflows_item
    where run_id = %(run_id)s and step = %(step)s and due_at <= now()
    order by due_at
    limit %(limit)s
    for update skip locked
) as waiting
where item.run_id = %(run_id)s and item.step = %(step)s and item.index = waiting.index
returning item.index, item.value, item.attempt, item.previous_delay_s, item.started_at;

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
select array_agg(ended.index), audit_record(%(events)s::jsonb) from ended having count(*) > 0;

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

-- name: find_newest_version
-- The version that new runs of a workflow start on, and whether they may.
select version.id, workflow.is_enabled
from workflows_workflow as workflow
join workflows_workflowversion as version
    on version.workflow_id = workflow.id and version.number = workflow.latest_number
where workflow.name = %(name)s;

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
select pg_advisory_xact_lock(hashtextextended(%(key)s, 0)) is null;

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
