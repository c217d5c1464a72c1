"""The embedded platform: it mends itself, is restarted under load, and is gone with its owner however that dies.

All tests use one folder of data after each other, which is made once.
"""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from config.platform import Platform
from config.restarting import Receiver
from tests.support.environment import ROOT
from tests.support.waiting import wait_until

_IN_ORDER = ("database", "worker0", "io0", "scheduler", "receiver", "intake", "web")
_PAUSE_S = 0.8
_SECRET = "a-secret-of-the-rolling-restart"
_DEFINITION = """
name: rolling
on: {webhook: {source: rolling, event: rolling}}
steps:
  a: {uses: set, with: {n: 1}}
  b: {needs: a, uses: wait, with: {for: 200ms}}
  c: {needs: b, for_each: [1, 2], uses: set, with: {n: "${{ item }}"}}
"""


class Clients:
    """Threads that ask for runs: half of them keep their connection and go by `Connection: close`, as HTTP asks."""

    def __init__(self, *, url: str, token: str, body: str) -> None:
        split = urlsplit(url)
        assert split.port is not None
        self._port, self._path, self._body = split.port, split.path, body
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(keeps,)) for keeps in (True, False)]
        self.answers: Counter[int] = Counter()
        self.failures: list[str] = []

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, keeps: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        while not self._stopping.wait(_PAUSE_S):
            try:
                connection.request("POST", self._path, self._body, self._headers)
                answer = connection.getresponse()
                answer.read()
                self.answers[answer.status] += 1
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{'kept' if keeps else 'new'} connection: {error!r}")
                connection.close()
            if not keeps:
                connection.close()
        connection.close()


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This will be the folder of all data."""
    return tmp_path_factory.mktemp("var")


@pytest.fixture(scope="module")
def platform(var: Path) -> Iterator[Platform]:
    """This will be a small platform."""
    env = {"ROLLING_SECRET": _SECRET}
    with Platform(var_dir=var, workers=1, concurrency=1, intake_port=0, extra_env=env) as platform:
        yield platform


@pytest.fixture
def up(var: Path) -> Iterator[subprocess.Popen[str]]:
    """This will be `make up`, ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "config.supervisor", "up", "--port", "0", "--workers", "1", "--var", str(var)],
        cwd=ROOT,
        env=_plain_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    welcome = next((line for line in process.stdout if "Ctrl-C" in line), None)
    assert welcome is not None, "it ended while it was starting"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    wait_until(lambda: not _processes_that_mention(var))


def test_platform_starts_a_killed_worker_again(platform: Platform) -> None:
    assert platform.restarts["worker0"] == platform.restarts["io0"] == 0
    platform.kill_worker(0)
    platform.kill_worker(1)
    wait_until(lambda: platform.restarts["worker0"] == platform.restarts["io0"] == 1)


def test_every_process_is_replaced_under_load_and_nothing_fails(platform: Platform, var: Path, tmp_path: Path) -> None:
    receiver = Receiver(platform)
    token = _prepare(platform, definition=tmp_path / "rolling.yaml")
    before = platform.pids
    web = Clients(url=f"{platform.url}/api/v1/runs", token=token, body=json.dumps({"workflow": "rolling"}))
    hooks = Clients(url=f"{platform.hooks_url}rolling", token=_SECRET, body=json.dumps({"type": "rolling"}))
    with receiver.receiving(), web, hooks:
        threading.Thread(target=receiver.serve, daemon=True).start()
        wait_until(lambda: min(web.answers[201], hooks.answers[202]) > 3, what="runs are started")
        restart = _supervisor("restart", "--var", str(var))
        started, taken = web.answers[201], hooks.answers[202]
        wait_until(
            lambda: web.answers[201] > started + 3 and hooks.answers[202] > taken + 3, what="runs are started still"
        )
    after = platform.pids
    asked = web.answers[201] + hooks.answers[202]
    with psycopg.connect(platform.environment["DATABASE_URL"], autocommit=True) as connection:
        wait_until(lambda: _count(connection, "true") == asked, what="each webhook has started its run")
        wait_until(lambda: _count(connection, "state = 'running'") == 0, what="all runs have ended")
        succeeded = _count(connection, "state = 'succeeded'")
        lost = connection.execute("select kind, step, evidence from workflows_attempt").fetchall()

    assert restart.returncode == 0, restart.stderr
    assert restart.stdout.splitlines() == [f"{name}: new" for name in _IN_ORDER]
    assert set(before) == set(after)
    assert not set(before.values()) & set(after.values()), "every process is another one"
    assert web.failures + hooks.failures == []
    assert (set(web.answers), set(hooks.answers)) == ({201}, {202})
    assert succeeded == asked, "no run is lost, and none comes twice"
    assert lost == [], "no attempt is lost"
    for name in ("scheduler", "receiver"):
        assert f"{name}_stopped" in (var / "logs" / f"{name}.log").read_text(), "it ended by itself, after its round"


def test_platform_replaces_a_killed_guard_and_leaves_nothing_behind(platform: Platform, var: Path) -> None:
    first = platform.guard_pid
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: platform.guard_pid != first, what="a new guard")
    platform.close()
    assert _processes_that_mention(var) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_up_leaves_no_process_and_a_closed_secret_key_when_it_is_ended(
    number: signal.Signals, up: subprocess.Popen[str], var: Path
) -> None:
    assert _processes_that_mention(var) != []
    up.send_signal(number)
    up.wait(timeout=120)
    wait_until(lambda: _processes_that_mention(var) == [], what="no process is left")
    assert (var / "secret_key").stat().st_mode & 0o777 == 0o600


def test_restart_says_where_no_platform_runs(tmp_path: Path) -> None:
    done = _supervisor("restart", "--var", str(tmp_path))

    assert done.returncode == 1
    assert done.stderr == f"no platform runs in {tmp_path}: start it with `make up`, or name its folder with --var\n"


def _supervisor(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "config.supervisor", *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


def _prepare(platform: Platform, *, definition: Path) -> str:
    definition.write_text(_DEFINITION)
    options = json.dumps({"event": "body:type", "each": True})
    secret = ["--secret", "env:ROLLING_SECRET"]
    platform.manage("automation", "webhooks", "set", "rolling", "--preset", "bearer", *secret, "--options", options)
    platform.manage("automation", "publish", str(definition))
    return platform.manage("automation", "token", "create", "load", "--scope", "runs:write", "--quiet").strip()


def _count(connection: psycopg.Connection[tuple[int]], condition: str) -> int:
    row = connection.execute(f"select count(*) from workflows_run where {condition}").fetchone()
    assert row is not None
    return row[0]


def _plain_environment() -> dict[str, str]:
    """What a newcomer's shell has: nothing of this test session."""
    ours = re.compile(r"DATABASE_URL|BROKER_URL|REDIS_URL|SECRET_KEY|DJANGO_.*|PRIVATE_.*|HTTPS|ALLOWED_HOSTS")
    return {name: value for name, value in os.environ.items() if not ours.fullmatch(name)}


def _processes_that_mention(path: Path) -> list[str]:
    """All processes of the platform have the path in their arguments or, inherited, in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if str(path).encode() in text and int(process.name) != os.getpid():
            found.append(text[:200].decode(errors="replace"))
    return found
