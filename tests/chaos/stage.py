"""Everything that can be struck: servers, network, and the processes of the platform, which it keeps running."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from config.servers.guard import Guard
from config.servers.ports import free_port
from examples.orders import outside
from tests.chaos.clients import senders
from tests.chaos.network import Network
from tests.support.environment import control_path
from tests.support.processes import Processes, TestedProcess
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until

HASTY = {
    "LEASE_S": "2",
    "DISPATCH_AGAIN_S": "1",
    "DISPATCH_AGAIN_CAP_S": "2",
    "CARRY_GRACE_S": "0.5",
    "SHIFT_S": "0.5",
}
"""Whatever was lost is missed within two seconds."""
_TERMINATE_LIMIT_S = 8.0
_READY = {"worker": " ready.", "io": " ready.", "scheduler": "scheduler_started", "receiver": "receiver_started"}
"""What a process writes when it works; for the others their clients wait."""


@dataclass(slots=True)
class Post:
    """A place that one process fills: when it has died there, another one takes it."""

    name: str
    start: Callable[[bool], TestedProcess]
    process: TestedProcess
    is_struck: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    def refill(self) -> None:
        """This will start another process here, after whatever is left of the one before has ended."""
        with self.lock:
            self.process.kill()
            self.process = self.start(False)
            self.is_struck = False


class Stage:
    """The platform under attack. `deaths` counts processes that ended although nobody had struck them."""

    def __init__(
        self,
        *,
        servers: RemoteServers,
        network: Network,
        gateway: outside.OutsideSystem,
        processes: Processes,
        port: int,
        hook_port: int,
    ) -> None:
        self.servers = servers
        self.network = network
        self.gateway = gateway
        self.web_port = port
        self.hook_port = hook_port
        self.deaths: Counter[str] = Counter()
        env = platform_environment(network)
        starts: Mapping[str, Callable[[bool], TestedProcess]] = {
            "worker0": lambda wait: processes.start_worker(concurrency=2, env=env, wait=wait),
            "worker1": lambda wait: processes.start_worker(concurrency=2, env=env, wait=wait),
            "scheduler0": lambda wait: processes.start_scheduler(env=env, wait=wait),
            "scheduler1": lambda wait: processes.start_scheduler(env=env, wait=wait),
            "io0": lambda wait: processes.start_io_worker(env=env, wait=wait),
            "web": lambda wait: processes.start_web(port=port, env=env, wait=wait),
            "intake0": lambda wait: processes.start_intake(port=hook_port, env=env, wait=wait),
            "receiver0": lambda wait: processes.start_receiver(env=env, wait=wait),
        }
        self.posts = {name: Post(name=name, start=start, process=start(False)) for name, start in starts.items()}

    def wait_until_ready(self) -> None:
        """This will return when every process works."""
        for post in self.posts.values():
            for role, text in _READY.items():
                if post.name.startswith(role):
                    post.process.wait_for_log(text)

    def post(self, role: str, *, dice: Random) -> Post:
        """This will choose one of the processes of a role."""
        return self.posts[dice.choice([name for name in self.posts if name.startswith(role)])]

    def revive(self) -> None:
        """This will refill the posts whose process has died without having been struck."""
        for post in self.posts.values():
            with post.lock:
                if not post.is_struck and not post.process.is_running:
                    self.deaths[post.name] += 1
                    post.refill()


def end_gently(post: Post) -> None:
    """This will wait for a process that was told to end, force it when it takes too long, and refill its post."""
    try:
        wait_until(lambda: not post.process.is_running, limit_s=_TERMINATE_LIMIT_S, what=f"{post.name} has ended")
    except AssertionError:
        post.process.terminate()  # the second time it hands its work back
    finally:
        post.refill()


def send(number: signal.Signals, pid: int) -> None:
    """This will signal a process that may just have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


@contextmanager
def opened(*, directory: Path, seed: int) -> Iterator[Stage]:
    """This will start the platform behind the proxy, and end all of it on leaving; the servers run again then."""
    servers = RemoteServers(path=control_path())
    guard = Guard()
    processes = Processes(directory=directory, guard=guard)
    try:
        with outside.running(name="gateway", directory=directory, seed=seed) as gateway:
            urls = {
                "postgres": os.environ["DATABASE_URL"],
                "rabbitmq": os.environ["BROKER_URL"],
                "redis": os.environ["REDIS_URL"],
                "gateway": gateway.base_url,
            }
            with Network(urls) as network:
                yield Stage(
                    servers=servers,
                    network=network,
                    gateway=gateway,
                    processes=processes,
                    port=free_port(),
                    hook_port=free_port(),
                )
                processes.kill_all()
    finally:
        processes.kill_all()
        guard.close()
        servers.mend()


def platform_environment(network: Network) -> dict[str, str]:
    """This will be what the processes of the platform get: hasty settings, and addresses behind the proxy."""
    return {
        **HASTY,
        **senders.ENVIRONMENT,
        "DATABASE_URL": network.url("postgres"),
        "BROKER_URL": network.url("rabbitmq"),
        "REDIS_URL": network.url("redis"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "EXTRA_APPS": "tests.flows",
    }
