"""Lets tests stop, kill, freeze and wipe the private servers; nobody but their owner can reach its socket."""

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from config.servers.errors import ServersError
from config.servers.private import PrivateServers

SOCKET_VARIABLE = "PRIVATE_SERVICES"
"""The environment variable with the path of the control socket; its presence says: these servers are ours."""

_REQUEST_LIMIT_BYTES = 4096


class Control:
    """The servers' end. All commands run in the thread that calls `serve`, one after the other."""

    def __init__(self, *, servers: PrivateServers) -> None:
        self.path = servers.directory / "control"
        self._commands = _commands(servers)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self.path))
        self.path.chmod(0o600)
        self._socket.listen(8)

    def serve(self, *, limit_s: float) -> None:
        """This will carry out one command if one comes within `limit_s`."""
        self._socket.settimeout(limit_s)
        try:
            connection, _ = self._socket.accept()
        except TimeoutError:
            return
        with connection:
            connection.settimeout(5)
            try:
                request = connection.recv(_REQUEST_LIMIT_BYTES).decode()
                connection.sendall(json.dumps(self._carry_out(request)).encode())
            except OSError:
                return  # the asker has gone; the command was carried out or never came

    def close(self) -> None:
        """This will stop listening."""
        self._socket.close()

    def _carry_out(self, request: str) -> Mapping[str, str | None]:
        command = self._commands.get(request)
        if command is None:
            return {"error": f"unknown command {request!r}; known: {', '.join(self._commands)}"}
        try:
            command()
        except (ServersError, OSError) as error:
            return {"error": str(error)}
        return {"error": None}


def send(*, path: Path, command: str, limit_s: float = 120.0) -> None:
    """This will have a command like `rabbitmq kill` carried out and return when it is done.

    Raises ServersError with the reason when it failed.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(limit_s)
        connection.connect(str(path))
        connection.sendall(command.encode())
        answer = json.loads(connection.makefile().read())
    if answer["error"] is not None:
        raise ServersError(f"{command}: {answer['error']}")


def _commands(servers: PrivateServers) -> Mapping[str, Callable[[], None]]:
    named = {
        "postgres": servers.postgres,
        "rabbitmq": servers.rabbitmq,
        "redis": servers.redis,
    }
    commands: dict[str, Callable[[], None]] = {}
    for name, server in named.items():
        for action in (
            server.start,
            server.stop,
            server.kill,
            server.pause,
            server.resume,
        ):
            commands[f"{name} {action.__name__}"] = action
    commands["rabbitmq wipe"] = servers.rabbitmq.wipe
    commands["rabbitmq alarm"] = servers.rabbitmq.alarm
    commands["rabbitmq calm"] = servers.rabbitmq.calm
    commands["redis wipe"] = servers.redis.wipe
    return commands
