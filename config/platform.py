"""The whole platform on one machine: servers, web, workers, scheduler; all of it ends with its owner.

    with Platform(var_dir=Path("var"), workers=2) as platform:
        print(platform.url)

What dies is started again. However the owner dies, its guard takes everything with it. The socket of the site belongs
to the owner, so that one web process can follow another without a connection being lost.
"""

import concurrent.futures
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from automation import worker_command
from config import intake, lanes, migrating, web
from config.embedded import EmbeddedServers
from config.kept import Kept
from config.servers.children import Program
from config.servers.errors import ServerFailed
from config.servers.ports import answers, listen

ROOT = Path(__file__).resolve().parent.parent
_POLL_S = 0.05
_START_LIMIT_S = 240.0
_FINISH_LIMIT_S = 120.0
"""How long a process may take to finish what it is at before its successor is alone."""
_DRAIN_S = 1.0
_SCHEDULER = ("manage.py", "automation", "scheduler")
_RECEIVER = ("manage.py", "automation", "receiver")
_WORKER_READY, _SCHEDULER_READY, _WEB_READY = " ready.", "scheduler_started", "web_started"
_RECEIVER_READY, _INTAKE_READY = "receiver_started", "intake_started"
_PROBE = b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Platform:
    """Embedded servers, `workers` worker processes of `concurrency` children each, I/O workers, web and scheduler.

    Where there are I/O workers, the lane `io` is theirs alone. `web_port` 0 takes a free one. With an `intake_port`
    (0: a free one) webhooks are taken in and events start runs.
    `extra_env` reaches every process.
    """

    def __init__(
        self,
        *,
        var_dir: Path = ROOT / "var",
        workers: int = 2,
        concurrency: int = 2,
        io_workers: int = 1,
        web_port: int = 0,
        intake_port: int | None = None,
        extra_env: Mapping[str, str] | None = None,
    ) -> None:
        self.var_dir = var_dir.resolve()
        self._extra_env = dict(extra_env or {})
        self._worker_names = [f"worker{index}" for index in range(workers)]
        self._io_worker_names = [f"io{index}" for index in range(io_workers)]
        self._concurrency = concurrency
        self._listener = listen(port=web_port)
        self._hooks_listener = None if intake_port is None else listen(port=intake_port)
        self._servers: EmbeddedServers | None = None
        self._kept: dict[str, Kept] = {}
        self._generation = 0
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """This will be where the site is served."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def hooks_url(self) -> str:
        """This will be where webhooks are sent, the name of their source behind it; empty: nowhere."""
        return "" if self._hooks_listener is None else f"http://127.0.0.1:{_port_of(self._hooks_listener)}/hooks/"

    @property
    def _port(self) -> int:
        return _port_of(self._listener)

    @property
    def environment(self) -> Mapping[str, str]:
        """This will be the environment of every process, secrets included: never print it."""
        return {
            **os.environ,
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "HTTPS": "false",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PULSE_DIR": str(self.var_dir / "pulse"),
            **self._embedded.environment,
            **self._extra_env,
        }

    @property
    def guard_pid(self) -> int:
        """This will be the id of the process that ends all others when this one dies."""
        return self._embedded.guard.pid

    @property
    def restarts(self) -> Mapping[str, int]:
        """This will be how often each process was started again."""
        with self._lock:
            return {name: kept.restarts for name, kept in self._kept.items()}

    @property
    def pids(self) -> Mapping[str, int]:
        """This will be the id of each process."""
        with self._lock:
            return {name: kept.pid for name, kept in self._kept.items()}

    def start(self) -> None:
        """This will start everything and return when it works."""
        (self.var_dir / "logs").mkdir(parents=True, exist_ok=True)
        self._servers = EmbeddedServers(directory=self.var_dir)
        self._servers.start()
        self._migrate()
        self._start_processes()
        self._keeper.start()

    def restart(self) -> Iterator[str]:
        """This will replace every process by a new one, in the order of a deploy, and name what it has done.

        Nothing stands still: each process works until its successor does, and then finishes what it is at. Raises
        ServerFailed when a successor does not start, CalledProcessError when the database cannot be migrated: the
        processes that were not named go on as they are.
        """
        self._migrate()
        yield "database"
        self._generation += 1
        for name, args in self._worker_commands().items():
            self._replace(name, args=args, ready=_WORKER_READY)
            yield name
        for name, args, ready in self._served():
            self._replace(name, args=args, ready=ready)
            yield name

    def manage(self, *args: str, env: Mapping[str, str] | None = None) -> str:
        """This will run a management command and return its output. Raises CalledProcessError."""
        done = subprocess.run(
            [sys.executable, "manage.py", *args],
            cwd=ROOT,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        with (self.var_dir / "logs" / "manage.log").open("a") as log:
            log.write(done.stdout + done.stderr)
        done.check_returncode()
        return done.stdout

    def start_process(self, *, name: str, args: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """This will run a Python program beside the others, and start it again when it dies."""
        with self._lock:
            self._kept[name] = self._keeping(name=name, args=args, env=env)

    def kill_worker(self, index: int) -> int:
        """This will end one worker and its children as a crash would, and return its process id.

        The I/O workers come after the others.
        """
        with self._lock:
            return self._kept[list(self._worker_commands())[index]].kill()

    def close(self) -> None:
        """This will end everything cleanly: who gives work first, then who does it, then the servers."""
        self._stopping.set()
        if self._keeper.is_alive():
            self._keeper.join()
        with concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
            for _ in pool.map(Kept.stop, self._kept.values()):
                pass
        self._kept.clear()
        if self._servers is not None:
            self._servers.close()
            self._servers = None
        self._listener.close()
        if self._hooks_listener is not None:
            self._hooks_listener.close()

    @property
    def _embedded(self) -> EmbeddedServers:
        if self._servers is None:
            raise RuntimeError("the platform is not running: use it as a context manager, or call start() first")
        return self._servers

    def _start_processes(self) -> None:
        self.start_process(name="web", args=self._web_command())
        self.start_process(name="scheduler", args=_SCHEDULER)
        if self._hooks_listener is not None:
            self.start_process(name="intake", args=self._intake_command(self._hooks_listener))
            self.start_process(name="receiver", args=_RECEIVER)
        for name, args in self._worker_commands().items():
            self.start_process(name=name, args=args)
        self._wait("web", lambda: answers(port=self._port, say=_PROBE, expect=b"HTTP/1.1 200"))
        self._wait("scheduler", lambda: self._kept["scheduler"].has_logged(_SCHEDULER_READY))
        if self._hooks_listener is not None:
            port = _port_of(self._hooks_listener)
            self._wait("intake", lambda: answers(port=port, say=_PROBE, expect=b"HTTP/1.1 200"))
            self._wait("receiver", lambda: self._kept["receiver"].has_logged(_RECEIVER_READY))
        for name in self._worker_commands():
            self._wait(name, lambda name=name: self._kept[name].has_logged(_WORKER_READY))  # type: ignore[misc]

    def _worker_commands(self) -> Mapping[str, Sequence[str]]:
        """The commands by name, I/O workers last. Without the lane `io` there are none of those.

        No two workers have the same name at the broker, for a moment not even one and its successor.
        """
        names = list(lanes.of(self.environment))
        host = f"{self._generation}.localhost" if self._generation else "localhost"
        io: dict[str, Sequence[str]] = {}
        if self._io_worker_names and worker_command.IO_LANE in names:
            names.remove(worker_command.IO_LANE)
            io = {name: worker_command.io_worker(name=f"{name}@{host}") for name in self._io_worker_names}
        plain = {
            name: worker_command.worker(lanes=names, processes=self._concurrency, name=f"{name}@{host}")
            for name in self._worker_names
        }
        return {**plain, **io}

    def _served(self) -> Iterator[tuple[str, Sequence[str], str]]:
        """What is replaced behind the workers: who gives work, then who takes it in."""
        yield "scheduler", _SCHEDULER, _SCHEDULER_READY
        if self._hooks_listener is not None:
            yield "receiver", _RECEIVER, _RECEIVER_READY
            yield "intake", self._intake_command(self._hooks_listener), _INTAKE_READY
        yield "web", self._web_command(), _WEB_READY

    def _intake_command(self, listener: socket.socket) -> Sequence[str]:
        return intake.command(listener=listener.fileno(), drain_s=_DRAIN_S)

    def _web_command(self) -> Sequence[str]:
        return web.command(listener=self._listener.fileno(), drain_s=_DRAIN_S)

    def _migrate(self) -> None:
        migrating.migrate_when_changed(
            stamp=self.var_dir / "postgres" / "migrated",
            root=ROOT,
            run=lambda: self.manage("migrate", "--noinput"),
        )

    def _replace(self, name: str, *, args: Sequence[str], ready: str) -> None:
        self._kept[name].replace(
            args=[sys.executable, *args], ready=ready, start_limit_s=_START_LIMIT_S, stop_limit_s=_FINISH_LIMIT_S
        )

    def _wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        while not is_ready():
            kept = self._kept[name]
            if not kept.is_running or time.monotonic() > deadline:
                what = "did not start in time" if kept.is_running else "ended while it was starting"
                raise ServerFailed(server=name, what=what, log_path=kept.log_path)
            time.sleep(_POLL_S)

    def _keeping(self, *, name: str, args: Sequence[str], env: Mapping[str, str] | None) -> Kept:
        program = Program(
            name=name,
            args=[sys.executable, *args],
            env={**self.environment, **(env or {})},
            cwd=ROOT,
            log_path=self.var_dir / "logs" / f"{name}.log",
            stop_signal=signal.SIGTERM,
            stop_limit_s=10.0,
            pass_fds=self._sockets_of(name),
        )
        return Kept(program=program, guard=self._embedded.guard)

    def _sockets_of(self, name: str) -> tuple[int, ...]:
        listener = {"web": self._listener, "intake": self._hooks_listener}.get(name)
        return () if listener is None else (listener.fileno(),)

    def _keep(self) -> None:
        """The keeper's thread: the servers first, since without them nothing else can start."""
        while not self._stopping.wait(_POLL_S):
            self._embedded.restart_dead()
            with self._lock:
                for kept in self._kept.values():
                    kept.restart_when_dead(now=time.monotonic())


def _port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])
