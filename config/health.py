"""Tells a load balancer whether this process lives and can serve, and clients to leave a process that is ending.

It never tells strangers why not.

It answers before host names and HTTPS are checked: probes come to an address and without a certificate.
"""

import concurrent.futures
from collections.abc import Callable, Mapping

import psycopg
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from kombu import Connection
from kombu.exceptions import KombuError

from config import draining, redis_ping

LIVE, READY = "/health/live", "/health/ready"
_LIMIT_S = 3


class HealthMiddleware:
    """Answers the two paths and passes all others on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """This will answer a probe, or ask the next in line."""
        response = self._answer(request)
        if draining.is_draining():
            response["Connection"] = "close"
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        match request.path:
            case "/health/live":
                return JsonResponse({"status": "ok"})
            case "/health/ready":
                return ready()
            case _:
                return self._get_response(request)


def ready() -> HttpResponse:
    """This will be 200 when the database answers, 503 when not, or when this process is about to end.

    Without broker or Redis the site still serves, accepts and remembers: that is `degraded`, and still 200.
    """
    if draining.is_draining():
        return JsonResponse({"status": "ending"}, status=503, headers={"Cache-Control": "no-store"})
    checks = _run_checks()
    if not checks["database"]:
        status, code = "unavailable", 503
    else:
        status, code = ("ok" if all(checks.values()) else "degraded"), 200
    results = {name: "ok" if passed else "failed" for name, passed in checks.items()}
    body = {"status": status, "checks": results}
    return JsonResponse(body, status=code, headers={"Cache-Control": "no-store"})


def _run_checks() -> Mapping[str, bool]:
    checks = {"database": _database_answers, "redis": _redis_answers, "broker": _broker_answers}
    pool = concurrent.futures.ThreadPoolExecutor(len(checks), thread_name_prefix="health")
    try:
        futures = {name: pool.submit(check) for name, check in checks.items()}
        concurrent.futures.wait(futures.values(), timeout=_LIMIT_S)
        return {name: future.done() and future.result() for name, future in futures.items()}
    finally:
        pool.shutdown(wait=False)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, psycopg.Error):
        return False
    finally:
        connection.close()  # this thread's own
    return True


def _redis_answers() -> bool:
    return redis_ping.answers(settings.REDIS_URL, limit_s=_LIMIT_S)


def _broker_answers() -> bool:
    try:
        with Connection(settings.BROKER_URL, connect_timeout=_LIMIT_S) as link:
            link.ensure_connection(max_retries=1, interval_start=0, timeout=_LIMIT_S)
    except (OSError, KombuError):  # kombu hands on the errors of every transport as its own
        return False
    return True
