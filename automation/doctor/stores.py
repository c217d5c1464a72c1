"""What is wrong with the stores, judged from evidence; pure."""

from collections.abc import Iterator

from automation.doctor.evidence import Broker, Cache, Database, Evidence, Queue
from automation.doctor.finding import Finding, Level

_POSTGRES = 150_000
_SKEW_WARNING_S = 1.0
_SKEW_ERROR_S = 5.0
_FULL = 0.85
_MENDS = {
    "database": "start PostgreSQL, or mend DATABASE_URL",
    "broker": "start the broker, or mend BROKER_URL",
    "redis": "start Redis, or mend REDIS_URL",
}
_WHYS = {
    "database": "it holds the truth: nothing can be accepted, begun or ended",
    "broker": "no wake-up reaches a worker: what is due waits in the database, and goes on by itself later",
    "redis": "rate limits are kept without bursts, circuit breakers let everything pass, fan-outs go slower",
}


def findings(evidence: Evidence) -> Iterator[Finding]:
    """This will judge all stores."""
    for store, error in evidence.errors.items():
        level = Level.WARNING if store == "redis" else Level.ERROR
        yield Finding(
            level=level, code=f"{store}-away", what=f"{store} does not answer: {error}", where=store,
            why=_WHYS[store], mend=_MENDS[store],
        )  # fmt: skip
    if evidence.database is not None:
        yield from _database(evidence.database)
    if evidence.broker is not None:
        yield from _broker(evidence.broker)
    if evidence.cache is not None:
        yield from _cache(evidence.cache)


def _database(database: Database) -> Iterator[Finding]:
    yield Finding(level=Level.OK, code="database", what=f"answers, version {_version(database)}", where="database")
    if database.version < _POSTGRES:
        yield Finding(
            level=Level.ERROR, code="database-old", what=f"PostgreSQL {_version(database)} is too old",
            where="database", why="hot statements need 15 or newer", mend="upgrade PostgreSQL to 15 or newer",
        )  # fmt: skip
    if database.migrations:
        yield Finding(
            level=Level.ERROR, code="migrations", what=f"{len(database.migrations)} migrations were not applied",
            where=", ".join(database.migrations[:5]), why="this release expects columns and indexes that are missing",
            mend="python manage.py migrate",
        )  # fmt: skip
    if database.connections >= _FULL * database.connections_max:
        yield Finding(
            level=Level.WARNING, code="connections",
            what=f"{database.connections} of {database.connections_max} connections are in use", where="database",
            why="a process that gets none cannot work, nor can you look why",
            mend="raise max_connections, or run fewer processes: each takes one connection, a scheduler nine",
        )  # fmt: skip
    for index in database.invalid_indexes:
        yield Finding(
            level=Level.ERROR, code="index-invalid", what="an index is invalid: it was not built to its end",
            where=index, why="statements that rely on it read whole tables", mend=f"psql -c 'REINDEX INDEX {index}'",
        )  # fmt: skip
    for table in database.unguarded:
        yield Finding(
            level=Level.ERROR, code="audit-unguarded", what="the trail can be changed here: its trigger is off or gone",
            where=table, why="whoever may write to the table can change what has happened",
            mend=f"psql -c 'ALTER TABLE {table} ENABLE TRIGGER ALL', then: python manage.py automation audit verify",
        )  # fmt: skip
    yield from _clock("database", database.skew_s)


def _broker(broker: Broker) -> Iterator[Finding]:
    name = f"RabbitMQ {broker.version}" if broker.version else "Valkey or Redis"
    yield Finding(level=Level.OK, code="broker", what=f"answers, {name}", where="broker")
    for queue in broker.queues:
        yield from _queue(queue, dead=broker.dead_queue)
    for queue in (*broker.queues, *filter(None, [broker.inbound])):
        if not queue.has_leader:
            yield Finding(
                level=Level.ERROR, code="queue-leaderless", what="the queue has no leader", where=queue.name,
                why="it takes nothing and gives nothing, for ever: its RabbitMQ was killed right after it was declared",
                mend=f"rabbitmqctl delete_queue {queue.name}: it holds nothing, and is declared anew",
            )  # fmt: skip


def _queue(queue: Queue, *, dead: str) -> Iterator[Finding]:
    if not queue.is_there:
        yield Finding(
            level=Level.WARNING, code="queue-missing", what="there is no such queue yet", where=queue.name,
            why="its work waits in the database until a worker or a scheduler declares it",
            mend="start a scheduler: python manage.py automation scheduler",
        )  # fmt: skip
    elif not queue.is_as_declared:
        yield Finding(
            level=Level.ERROR, code="queue-arguments", where=queue.name,
            what="the queue has other arguments than this release declares: type, dead letters or delivery limit",
            why="processes cannot declare it and fail at their start; a queue that is no quorum queue loses messages",
            mend=f"rabbitmqctl delete_queue {queue.name}: nothing is lost, work is dispatched again",
        )  # fmt: skip
    elif queue.name == dead and queue.waiting:
        yield Finding(
            level=Level.WARNING, code="dead-queue", what=f"{queue.waiting} messages lie in the queue of dead messages",
            where=queue.name, why="a scheduler stores them within seconds, unless none runs",
            mend="start a scheduler, then: python manage.py automation messages",
        )  # fmt: skip


def _cache(cache: Cache) -> Iterator[Finding]:
    yield Finding(level=Level.OK, code="redis", what=f"answers, version {cache.version}", where="redis")
    if cache.policy != "noeviction":
        yield Finding(
            level=Level.WARNING, code="redis-evicts", what=f"it forgets keys when it is full: {cache.policy}",
            where="redis", why="rate limits begin anew, and fan-outs are finished by recovery instead of at once",
            mend="redis-cli CONFIG SET maxmemory-policy noeviction",
        )  # fmt: skip
    yield from _clock("redis", cache.skew_s)


def _clock(where: str, skew_s: float) -> Iterator[Finding]:
    if abs(skew_s) >= _SKEW_WARNING_S:
        word = "ahead of" if skew_s > 0 else "behind"
        yield Finding(
            level=Level.ERROR if abs(skew_s) >= _SKEW_ERROR_S else Level.WARNING, code="clock",
            what=f"its clock is {abs(skew_s):.1f} s {word} the clock of this host", where=where,
            why="due times, leases and schedules are judged by several clocks",
            mend="synchronise the clocks of all hosts: systemctl enable --now chrony",
        )  # fmt: skip


def _version(database: Database) -> str:
    return f"{database.version // 10_000}.{database.version % 10_000}"
