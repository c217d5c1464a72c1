"""How a worker process is started: the one place that knows the pools and options of Celery; it starts none.

The arguments follow the Python interpreter. A plain worker performs steps in child processes, one in each at a time;
an I/O worker carries many waiting steps on one event loop (docs/adr/0010-io-workers.md).
"""

from collections.abc import Sequence

IO_LANE = "io"
_CLAIMING_THREADS = 4
_COMMON = ("--without-gossip", "--without-mingle")


def worker(*, lanes: Sequence[str], processes: int | None, name: str) -> Sequence[str]:
    """This will be a worker of `lanes` with so many child processes; None: one for each processor."""
    size = () if processes is None else ("-c", str(processes))
    return [*_celery(lanes=lanes, name=name), "-P", "prefork", *size, *_COMMON]


def io_worker(*, name: str, lanes: Sequence[str] = (IO_LANE,)) -> Sequence[str]:
    """This will be an I/O worker; how many steps it carries is IO_CONCURRENCY in its environment."""
    return [*_celery(lanes=lanes, name=name), "-P", "threads", "-c", str(_CLAIMING_THREADS), *_COMMON]


def _celery(*, lanes: Sequence[str], name: str) -> Sequence[str]:
    return ["-m", "config.worker", "-n", name, "-Q", ",".join(lanes)]
