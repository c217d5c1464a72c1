"""Asks a process on this machine whether it does its work, for Kubernetes, Compose and people.

    python -m config.probe live worker|io|scheduler|receiver|web|intake
    python -m config.probe ready worker|io|scheduler|receiver|web|intake

The exit code is 0 when it does, 1 when not, with one line for each reason. It loads neither Django nor Celery, and
needs the environment of the process it asks. See docs/adr/0027-pulses.md.
"""

import argparse
import contextlib
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from amqp.exceptions import AMQPError
from kombu import Connection, Queue
from kombu.exceptions import KombuError

from automation import liveness, pulse
from automation.liveness import Look, Vitals
from config import broker, env, redis_ping

_SERVING = {"web": 8000, "intake": 8001}
"""Kinds that are asked over HTTP, and where they are unless it is said."""
_WITHOUT_LANES = ("scheduler",)
KINDS = ("worker", "io", *_WITHOUT_LANES, "receiver", *_SERVING)
_PATIENCE_S = 60.0
_LIMIT_S = 3
_BETWEEN_LOOKS_S = 2.5  # longer than a pulse may be old


class Verdict(NamedTuple):
    """What was found: whether it is well, and a line for each thing that is worth saying."""

    is_well: bool
    lines: Sequence[str]


def main(argv: Sequence[str]) -> int:
    """This will ask and print what was found."""
    options = _parse(argv)
    environment = env.read()
    if options.kind in _SERVING:
        verdict = _web(options.question, port=options.port or _SERVING[options.kind])
    elif options.question == "ready":
        verdict = _ready(environment)
    else:
        verdict = _live(options.kind, environment=environment, patience_s=options.patience)
    sys.stdout.writelines(f"{line}\n" for line in verdict.lines)
    return 0 if verdict.is_well else 1


def _live(kind: str, *, environment: env.Environment, patience_s: float) -> Verdict:
    directory = pulse.directory_of(environment.pulse_dir)
    found = pulse.read(kind=kind, directory=directory)
    if not found:
        return Verdict(False, [f"no {kind} shows a pulse in {directory}"])
    still = _told(found, lambda one: liveness.standing_still(one, now=time.monotonic(), patience_s=patience_s))
    if still:
        away = [name for name, is_there in _stores(environment).items() if not is_there and name != "redis"]
        if away:
            return Verdict(True, [*still, f"but {' and '.join(away)} cannot be reached: a restart would not mend that"])
        return Verdict(False, still)
    if kind not in _WITHOUT_LANES and broker.is_rabbitmq(environment.broker_url):
        return _consumes(kind, found, environment=environment)
    return Verdict(True, [f"{len(found)} {kind}: going on"])


def _consumes(kind: str, found: Sequence[Vitals], *, environment: env.Environment) -> Verdict:
    """A second look is taken only where the first gives cause."""
    lanes = sorted({lane for one in found for lane in one.lanes})
    first = _looks(lanes, environment=environment)
    if first is None:
        return Verdict(True, [f"{len(found)} {kind}: going on; the broker cannot be reached"])
    if all(look.waiting == 0 and look.consumers for look in first.values()):
        return Verdict(True, [f"{len(found)} {kind}: going on, nothing waits in {', '.join(lanes)}"])
    time.sleep(_BETWEEN_LOOKS_S)
    second = _looks(lanes, environment=environment)
    later = {one.pid: one for one in pulse.read(kind=kind, directory=pulse.directory_of(environment.pulse_dir))}
    if second is None:
        return Verdict(True, [f"{len(found)} {kind}: going on; the broker cannot be reached"])
    pairs = {one.pid: one for one in found if one.pid in later}
    problems = _told(
        list(pairs.values()),
        lambda one: liveness.not_consuming(one, later[one.pid], first=first, second=second),
    )
    return Verdict(not problems, problems or [f"{len(found)} {kind}: taking messages"])


def _told(found: Sequence[Vitals], judge: Callable[[Vitals], Sequence[str]]) -> Sequence[str]:
    return [f"{one.name or 'process'} ({one.pid}): {problem}" for one in found for problem in judge(one)]


def _looks(lanes: Collection[str], *, environment: env.Environment) -> Mapping[str, Look] | None:
    """One look at each queue; one that is gone has neither messages nor consumers. None: no broker answers."""
    found: dict[str, Look] = {}
    try:
        with _connected(environment.broker_url) as link:
            for lane in lanes:
                try:
                    with link.channel() as channel:
                        declared: Any = Queue(lane, channel=channel).queue_declare(passive=True)
                    found[lane] = Look(waiting=declared.message_count, consumers=declared.consumer_count)
                except link.channel_errors:
                    found[lane] = Look(waiting=0, consumers=0)
    except (OSError, KombuError, AMQPError):
        return None
    return found


def _ready(environment: env.Environment) -> Verdict:
    """Redis decides nothing that must be right: without it a process works on, slower."""
    stores = _stores(environment)
    lines = [f"{name}: {'ok' if is_there else 'cannot be reached'}" for name, is_there in stores.items()]
    return Verdict(stores["database"] and stores["broker"], lines)


def _stores(environment: env.Environment) -> Mapping[str, bool]:
    return {
        "database": _database_answers(environment.database_url),
        "broker": _broker_answers(environment.broker_url),
        "redis": redis_ping.answers(environment.redis_url, limit_s=_LIMIT_S),
    }


def _database_answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=_LIMIT_S, autocommit=True) as connection:
            connection.execute("select 1")
    except psycopg.Error:
        return False
    return True


def _broker_answers(url: str) -> bool:
    try:
        with _connected(url):
            return True
    except (OSError, KombuError, AMQPError):
        return False


@contextlib.contextmanager
def _connected(url: str) -> Iterator[Connection]:
    with Connection(url, connect_timeout=_LIMIT_S) as link:
        link.ensure_connection(max_retries=1, interval_start=0, timeout=_LIMIT_S)
        yield link


def _web(question: str, *, port: int) -> Verdict:
    url = f"http://127.0.0.1:{port}/health/{question}"
    try:
        with urllib.request.urlopen(url, timeout=2 * _LIMIT_S) as answer:
            return Verdict(True, [answer.read(1000).decode()])
    except urllib.error.HTTPError as error:
        return Verdict(False, [error.read(1000).decode()])
    except OSError as error:
        return Verdict(False, [f"the site does not answer on port {port}: {error}"])


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m config.probe", description="Ask a process whether it works.")
    parser.add_argument("question", choices=["live", "ready"])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--patience", type=float, default=_PATIENCE_S, help="how many seconds a part may stand still")
    parser.add_argument("--port", type=int, default=0, help="web, intake: its port (8000, 8001)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
