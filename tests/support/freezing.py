"""Freezes PostgreSQL as a whole: packets are acknowledged, and nobody answers; it kills nothing."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import connection

from tests.support.servers import RemoteServers


@contextmanager
def frozen_postgres(servers: RemoteServers) -> Iterator[None]:
    """This will freeze the server and all who serve its clients, and thaw them in the end."""
    with connection.cursor() as cursor:
        cursor.execute("select pid from pg_stat_activity where backend_type = 'client backend' order by pid")
        pids = [pid for (pid,) in cursor.fetchall()]
    servers.postgres.pause()
    _tell(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _tell(pids, signal.SIGCONT)
        servers.postgres.resume()


def _tell(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
