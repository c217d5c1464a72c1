"""A private RabbitMQ node under one folder, with its own port mapper; it never uses the system's node."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from config.servers.children import Child, Program
from config.servers.guard import Guard
from config.servers.ports import answers, free_port
from config.servers.server import Server

_USER = "automation"
_AMQP_HELLO = b"AMQP\x00\x00\x09\x01"
_VM_OPTIONS = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"


class RabbitMQ(Server):
    """One node. Its distribution port mapper (epmd) runs with it: else Erlang would leave one behind."""

    name = "RabbitMQ"
    start_limit_s = 90.0

    def __init__(self, *, directory: Path, guard: Guard, script: Path, port: int, password: str) -> None:
        super().__init__(directory=directory, guard=guard)
        self._script = script
        self._port = port
        self._password = password
        self._distribution_port = free_port()
        self._mapper_port = free_port()
        self._mapper: Child | None = None

    @property
    def url(self) -> str:
        """This will be the AMQP URL of the default virtual host."""
        return f"amqp://{_USER}:{self._password}@127.0.0.1:{self._port}//"

    def prepare(self) -> None:
        """This will write the configuration and the secret of the Erlang node, once, and start the mapper."""
        cookie = self.directory / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(secrets.token_hex(16))
            cookie.chmod(0o400)
            (self.directory / "rabbitmq.conf").touch(mode=0o600)
            (self.directory / "rabbitmq.conf").write_text(self._configuration())
            (self.directory / "enabled_plugins").write_text("[].\n")
        if self._mapper is None or not self._mapper.is_running:
            self._mapper = Child(program=self._mapper_program(), guard=self.guard)

    def program(self) -> Program:
        """This will be the node in the foreground."""
        return Program(
            name=self.name,
            args=[str(self._script)],
            env=self._environment(),
            log_path=self.directory / "log",
            stop_limit_s=30.0,
        )

    def is_ready(self) -> bool:
        """This will tell whether it speaks AMQP 0-9-1."""
        return answers(port=self._port, say=_AMQP_HELLO, expect=b"\x01")

    def stop(self) -> None:
        """This will end the node cleanly (some seconds), then the mapper."""
        super().stop()
        self._stop_mapper()

    def kill(self) -> None:
        """This will end the node and the mapper at once."""
        super().kill()
        self._stop_mapper()

    def wipe(self) -> None:
        """This will lose all queues, exchanges and messages, and start anew."""
        self.kill()
        shutil.rmtree(self.directory / "mnesia", ignore_errors=True)
        self.start()

    def alarm(self) -> None:
        """This will raise its memory alarm: it takes no more messages from anybody until `calm`."""
        self._control("set_vm_memory_high_watermark", "0.0000001")

    def calm(self) -> None:
        """This will end its memory alarm."""
        self._control("set_vm_memory_high_watermark", "0.4")

    def _control(self, *command: str) -> None:
        done = subprocess.run(
            [str(self._script.with_name("rabbitmqctl")), "-q", *command],
            env=dict(self._environment()),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=self.start_limit_s,
            check=False,
        )
        if done.returncode != 0:
            raise self.failed(f"did not obey rabbitmqctl {command[0]} (exit code {done.returncode})")

    def _stop_mapper(self) -> None:
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper = None

    def _mapper_program(self) -> Program:
        epmd = shutil.which("epmd") or "epmd"
        return Program(
            name="epmd",
            args=[epmd, "-port", str(self._mapper_port), "-address", "127.0.0.1"],
            env=self._environment(),
            log_path=self.directory / "epmd.log",
            stop_signal=signal.SIGKILL,
        )

    def _configuration(self) -> str:
        return (
            f"listeners.tcp.1 = 127.0.0.1:{self._port}\n"
            f"default_user = {_USER}\n"
            f"default_pass = {self._password}\n"
            "disk_free_limit.absolute = 50MB\n"
            "log.file.level = warning\n"
        )

    def _environment(self) -> Mapping[str, str]:
        here = self.directory
        return {
            "PATH": f"{self._script.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(here),
            "TMPDIR": tempfile.gettempdir(),
            "RABBITMQ_NODENAME": f"automation{self._port}@localhost",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(here / "mnesia"),
            "RABBITMQ_LOG_BASE": str(here / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(here / "none"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(here / "generated"),
            "RABBITMQ_PID_FILE": str(here / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _VM_OPTIONS,
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
