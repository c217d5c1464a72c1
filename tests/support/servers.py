"""Handles that break and mend the private servers; they never touch any other server."""

from pathlib import Path

from config.servers import control


class RemoteServer:
    """One private server, started and owned by another process."""

    def __init__(self, *, name: str, path: Path) -> None:
        self.name = name
        self._path = path

    def start(self) -> None:
        """This will start it and return when it serves; nothing happens when it runs."""
        self._send("start")

    def stop(self) -> None:
        """This will end it cleanly."""
        self._send("stop")

    def kill(self) -> None:
        """This will end it as a crash would."""
        self._send("kill")

    def pause(self) -> None:
        """This will freeze it: connections stay open and nobody answers."""
        self._send("pause")

    def resume(self) -> None:
        """This will thaw it."""
        self._send("resume")

    def wipe(self) -> None:
        """This will lose all its data and leave it running (RabbitMQ and Redis only)."""
        self._send("wipe")

    def alarm(self) -> None:
        """This will have it take no more messages, as when its memory is full (RabbitMQ only)."""
        self._send("alarm")

    def calm(self) -> None:
        """This will end that alarm (RabbitMQ only)."""
        self._send("calm")

    def _send(self, action: str) -> None:
        control.send(path=self._path, command=f"{self.name} {action}")


class RemoteServers:
    """The three private servers."""

    def __init__(self, *, path: Path) -> None:
        self.postgres = RemoteServer(name="postgres", path=path)
        self.rabbitmq = RemoteServer(name="rabbitmq", path=path)
        self.redis = RemoteServer(name="redis", path=path)

    def mend(self) -> None:
        """This will have all three running again, whatever a test did."""
        for server in (self.postgres, self.rabbitmq, self.redis):
            server.resume()
            server.start()
