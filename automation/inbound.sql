-- What comes in from outside; run by `automation/intake/counting.py`, `rows.py` and `database.py`.

-- name: count_refusals
-- Adds to the counts of an hour; in one order, so that two processes never wait for each other in a circle.
insert into automation_webhook_refusal as known (source, reason, hour, count, latest_at)
select given.source, given.reason, %(hour)s, given.count, %(at)s
from unnest(%(sources)s::text[], %(reasons)s::text[], %(counts)s::bigint[]) as given(source, reason, count)
order by given.source, given.reason
on conflict (source, reason, hour) do update
set count = known.count + excluded.count, latest_at = excluded.latest_at
returning known.id;

-- name: write_deliveries
-- Keeps a batch of requests; in one order, so that two writers of the same ones never wait for each other in a circle.
insert into automation_webhook_delivery
    (id, source, state, received_at, signed_at, peer, headers, body, key, delivery_id, type, problem)
select given.id, given.source, 'verified', to_timestamp(given.received), to_timestamp(given.signed), given.peer,
    given.headers, given.body, given.key, '', '', ''
from unnest(
    %(ids)s::uuid[], %(sources)s::text[], %(received)s::float8[], %(signed)s::float8[], %(peers)s::text[],
    %(headers)s::text[]::jsonb[], %(bodies)s::bytea[], %(keys)s::smallint[]
) as given(id, source, received, signed, peer, headers, body, key)
order by given.id
on conflict do nothing;
