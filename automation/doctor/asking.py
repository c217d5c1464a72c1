"""Asks the stores and the settings what there is to know; it judges and changes nothing.

What one store does not answer leaves the others to be asked.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import redis
from amqp.exceptions import AMQPError, NotFound, PreconditionFailed
from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from kombu import Connection
from kombu import Queue as DeclaredQueue
from kombu.exceptions import KombuError

from audit import queries as trail
from automation import schedule_queries
from automation.doctor.asking_outside import outside
from automation.doctor.evidence import Broker, Cache, Configuration, Database, Evidence, Queue, Waiting, Work
from automation.firing import leading
from automation.intake import envelope
from automation.sink import feeding
from integrations import queries as integrations
from retention import queries as retention
from workflows import condition, human_queries, incident_queries, overview, pause_store
from workflows.core.states import IncidentState
from workflows.dispatch import leaders

Answer = TypeVar("Answer")
_LIMIT_S = 3
_REQUESTS = 500
_STUCK = timedelta(seconds=60)
_OPEN = (IncidentState.OPEN, IncidentState.RESOLVING)
_AWAY = (DatabaseError, redis.RedisError, OSError, KombuError, AMQPError)
_INVALID = """
select indexrelid::regclass::text from pg_index
join pg_class on pg_class.oid = indexrelid
where not indisvalid and relnamespace = current_schema()::regnamespace order by 1
"""


def ask() -> Evidence:
    """This will gather all the evidence there is."""
    errors: dict[str, str] = {}
    database = _tried("database", _database, errors=errors)
    is_current = database is not None and not database.migrations
    return Evidence(
        configuration=_configuration(),
        database=database,
        broker=_tried("broker", _broker, errors=errors),
        cache=_tried("redis", _cache, errors=errors),
        work=_tried("database", _work, errors=errors) if is_current else None,
        errors=errors,
    )


def _tried(store: str, question: Callable[[], Answer], *, errors: dict[str, str]) -> Answer | None:
    try:
        return question()
    except _AWAY as error:
        errors[store] = " ".join(str(error).split())[:200] or type(error).__name__
        return None


def _database() -> Database:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    is_there = ("audit", "0001_initial") in executor.loader.applied_migrations
    before = time.time()
    with connection.cursor() as cursor:
        cursor.execute("select extract(epoch from clock_timestamp())")
        skew_s = float(cursor.fetchone()[0]) - (before + time.time()) / 2
        cursor.execute(
            "select current_setting('server_version_num')::int, current_setting('max_connections')::int,"
            " (select count(*) from pg_stat_activity where backend_type = 'client backend')"
        )
        version, most, used = cursor.fetchone()
        cursor.execute(_INVALID)
        invalid = [name for (name,) in cursor.fetchall()]
    return Database(
        version=version,
        skew_s=skew_s,
        connections=used,
        connections_max=most,
        migrations=[f"{one.app_label}.{one.name}" for one, _ in plan],
        invalid_indexes=invalid,
        unguarded=trail.unguarded_tables() if is_there else (),
        has_leader=leading.is_led(),
    )


def queues() -> Sequence[Queue]:
    """This will give what the broker says of its queues; none where it is no RabbitMQ. Raises when it is away."""
    return _broker().queues


def _broker() -> Broker:
    with Connection(settings.BROKER_URL, connect_timeout=_LIMIT_S) as link:
        link.ensure_connection(max_retries=1, interval_start=0, timeout=_LIMIT_S)
        if link.transport.driver_type != "amqp":
            return Broker(version="", queues=())
        server: Mapping[str, Any] = link.connection.server_properties  # Any: AMQP's table
        return Broker(
            version=str(server.get("version", "")),
            queues=[_queue(link, declared) for declared in current_app.amqp.queues.values()],
            dead_queue=settings.DEAD_QUEUE,
            inbound=_inbound(link),
        )


def _inbound(link: Connection) -> Queue:
    """The queue of intakes is none of Celery's; where no webhook has ever come there is none."""
    try:
        with link.channel() as channel:
            queue = DeclaredQueue(envelope.QUEUE, channel=channel)
            found: Any = queue.queue_declare(passive=True)  # Any: AMQP's answer
    except NotFound:
        return Queue(name=envelope.QUEUE, is_there=False)
    return _found(envelope.QUEUE, found)


def _queue(link: Connection, declared: DeclaredQueue) -> Queue:
    """A refused question closes its channel: each has one of its own."""
    name = str(declared.name)
    try:
        with link.channel() as channel:
            found: Any = declared(channel).queue_declare(passive=True)  # Any: AMQP's answer
    except NotFound:
        return Queue(name=name, is_there=False)
    try:
        with link.channel() as channel:
            declared(channel).queue_declare()
    except PreconditionFailed:
        return replace(_found(name, found), is_as_declared=False)
    return _found(name, found)


def _found(name: str, found: Any) -> Queue:  # Any: AMQP's answer
    """A queue without a leader blocks whoever asks it: that connection is of no more use."""
    link = Connection(settings.BROKER_URL, connect_timeout=_LIMIT_S)
    has_leader = leaders.has_leader(link, queue=name)
    return Queue(name=name, waiting=found.message_count, consumers=found.consumer_count, has_leader=has_leader)


def _cache() -> Cache:
    with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=_LIMIT_S, socket_timeout=_LIMIT_S) as client:
        before = time.time()
        seconds, microseconds = client.time()
        skew_s = seconds + microseconds / 1e6 - (before + time.time()) / 2
        said: Mapping[str, Any] = client.info()  # Any: redis-py's
    return Cache(
        version=str(said.get("redis_version", "")),
        policy=str(said.get("maxmemory_policy", "noeviction")),
        skew_s=skew_s,
    )


def _work() -> Work:
    now = timezone.now()
    search = feeding.find_standing(now=now)
    return Work(
        waiting=[
            Waiting(lane=one.lane, ready=one.ready, oldest_s=max(0.0, (now - one.oldest_at).total_seconds()))
            for one in condition.backlogs(now=now)
            if one.oldest_at is not None
        ],
        leases_run_out=condition.leases_run_out(now=now, longer_than=_STUCK),
        unknown_functions=condition.unknown_functions(),
        dead_letters=overview.open_dead_letters().number,
        incidents=incident_queries.incidents(states=_OPEN).count(),
        months=retention.problems(now=now),
        missed_fires={missed.name: missed.due_at for missed in schedule_queries.missed_fires(now=now)},
        dead_notifications=integrations.dead_notifications(),
        breakers_open=integrations.breakers_open(),
        connections_unwell=integrations.connections_unwell(),
        out_of_reach=[str(row) for row in human_queries.out_of_reach(limit=_REQUESTS)],
        pauses=[rule.words for rule in pause_store.in_force()],
        search_behind_s=0.0 if search is None else search.behind_s,
        search_refused=0 if search is None else search.refused,
        outside=outside(now=now),
    )


def _configuration() -> Configuration:
    return Configuration(
        lanes=list(settings.LANES),
        debug=settings.DEBUG,
        https=settings.SECURE_SSL_REDIRECT,
        allowed_hosts=list(settings.ALLOWED_HOSTS),
        public_url=settings.PUBLIC_URL,
        has_mail=bool(settings.EMAIL_URL),
        lease_s=settings.LEASE_S,
        shift_s=settings.SHIFT_S,
        dispatch_again_s=settings.DISPATCH_AGAIN_S,
        dispatch_again_cap_s=settings.DISPATCH_AGAIN_CAP_S,
        notification_timeout_s=settings.NOTIFICATION_TIMEOUT_S,
        notification_lease_s=settings.NOTIFICATION_LEASE_S,
        retention_runs_months=settings.RETENTION_RUNS_MONTHS,
        retention_audit_months=settings.RETENTION_AUDIT_MONTHS,
    )
