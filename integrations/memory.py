"""What all processes know together for a moment: small scripts in Redis, which may be away; it decides nothing."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
TIMEOUT_S = 0.25
ASK_AGAIN_S = 0.5


class Memory:
    """Redis as this process sees it. Loss and return are each said once; in between it is asked twice a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._away_until: float | None = None
        self.losses = 0
        """How often it was lost: what was remembered before is unknown afterwards."""

    def run(self, script: str, *, keys: Sequence[str], args: Sequence[object]) -> object | None:
        """This will run a script of this app in Redis, and give its answer, or None when Redis is away."""
        return self._ask(lambda: _scripts(script)(keys=keys, args=args))

    def read(self, key: str) -> bytes | None:
        """This will read one value; None also when Redis is away."""
        answer = self._ask(lambda: client().get(key))
        return answer if isinstance(answer, bytes) else None

    def _ask(self, question: Callable[[], object]) -> object | None:
        if self._away_until is not None and time.monotonic() < self._away_until:
            return None
        try:
            answer = question()
        except (redis.RedisError, OSError) as error:
            self._note_loss(error)
            return None
        self._note_return()
        return answer

    def _note_loss(self, error: Exception) -> None:
        with self._lock:
            is_new = self._away_until is None
            self.losses += is_new
            self._away_until = time.monotonic() + ASK_AGAIN_S
        if is_new:
            _log.warning("redis_away", error=type(error).__name__, reason=str(error)[:200])

    def _note_return(self) -> None:
        with self._lock:
            was_away, self._away_until = self._away_until is not None, None
        if was_away:
            _log.info("redis_back")


memory = Memory()


@cache
def client() -> "redis.Redis":
    """This will be the connection pool of this process; a call waits a quarter of a second at most."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


@cache
def _scripts(name: str) -> Callable[..., object]:
    text = resources.files("integrations").joinpath(f"{name}.lua").read_text(encoding="utf-8")
    return client().register_script(text)
