"""The Celery application: how messages travel; it never decides what work is."""

import os
import signal
from collections.abc import Mapping
from typing import Any

from celery import Celery, signals

from config import broker, connections, env, logs, tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")  # read when the app is made, below
_environment = env.read()
# Checks are run at deploy; in a worker they would load the web's modules into every process.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")


def make_app(environment: env.Environment) -> Celery:
    """This will build the application with all its settings."""
    app = Celery("automation", set_as_current=True)
    app.conf.update(
        {
            **_common_settings(environment),
            **broker.broker_settings(environment),
        }
    )
    app.amqp.Connection = broker.PromptConnection
    # By name: only a worker loads Celery's worker, and an I/O worker needs Django's apps.
    app.steps["consumer"].add("config.queues:DeclareQueues")
    app.steps["consumer"].add("config.beating:Beating")
    app.steps["worker"].add("config.io_worker:CarryOnEventLoop")
    return app


def _common_settings(environment: env.Environment) -> Mapping[str, Any]:  # Any: settings have many types
    return {
        # A message is confirmed after its work, and given back when the process that had it is killed.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_consumer": "config.consumer:CarefulConsumer",
        # One message per child and lane lies ready; which of them starts is decided when a child is free (ADR 9).
        "worker_prefetch_multiplier": 1,
        "worker_pool": "config.pool:LanePool",
        "worker_pool_putlocks": False,  # Celery's semaphore would keep them in the order of their arrival
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # our leases decide, not the connection
        "worker_disable_rate_limits": True,
        # Each message names its queue; nothing is created by a misspelt name.
        "task_default_queue": "default",
        "task_default_exchange": broker.WORK_EXCHANGE.name,
        "task_default_exchange_type": "topic",
        "task_default_routing_key": "default",
        "task_create_missing_queues": False,
        # Only what chords need is kept, and not for long: the truth is in PostgreSQL.
        "result_backend": broker.celery_url(environment.redis_url),
        "result_expires": environment.result_expires_s,
        "result_chord_expires": environment.result_expires_s,
        "task_ignore_result": True,
        "result_backend_transport_options": {"retry_policy": {"max_retries": 1, "timeout": 2.0}},
        # A Redis that stands still holds up a dispatcher, or a worker at the end of a chord's part, for two of these.
        "redis_socket_timeout": 1.0,
        "redis_socket_connect_timeout": 1.0,
        "task_store_errors_even_if_ignored": False,
        # JSON only: a pickle is a program.
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_soft_shutdown_timeout": 0,  # it would sleep its whole time; see _give_back_at_second_signal
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_pool_acquire_timeout": 10,
        "broker_heartbeat": 30,
        "enable_utc": True,
        "timezone": "UTC",
        "beat_scheduler": "django_celery_beat.schedulers:DatabaseScheduler",
        # Celery closes Django's connections around each task unless it is told to count to this number first.
        "CELERY_DB_REUSE_MAX": 10**9,
    }


app = make_app(_environment)
app.autodiscover_tasks()
connections.keep_alive()


@signals.setup_logging.connect
def _configure_logging(**_: object) -> None:
    """Receiving this signal is what keeps Celery from configuring logging in its own way."""
    logs.configure(level=_environment.log_level, style=_environment.log_format)


@signals.worker_shutting_down.connect
def _give_back_at_second_signal(how: str, **_: object) -> None:
    """The first SIGTERM lets the tasks under way finish; the second hands them back, as SIGQUIT does."""
    if how == "Warm":
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGQUIT))


@signals.celeryd_init.connect
def _trace(**_: object) -> None:
    """A worker is traced from its first task on."""
    tracing.start("worker")
