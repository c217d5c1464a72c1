"""A mail server on loopback, as small as RFC 5321 allows, that keeps what it is given."""

import socketserver
import threading
from email import message_from_bytes
from email.message import Message
from types import TracebackType
from typing import Self


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mails; `refuse` is the answer to the next recipients instead (such as `550 no such user`)."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[Message] = []
        self.recipients: list[str] = []
        self.refuse: list[str] = []

    @property
    def url(self) -> str:
        """This will be what EMAIL_URL says."""
        return f"smtp://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 test")
        while line := self.rfile.readline():
            word = line.decode().strip().upper()
            if word.startswith("RCPT") and self.server.refuse:
                self._say(self.server.refuse.pop(0))
            elif word.startswith("RCPT"):
                self.server.recipients.append(line.decode().strip().partition(":")[2].strip("<>"))
                self._say("250 ok")
            elif word == "DATA":
                self._say("354 go on")
                self._take()
                self._say("250 taken")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        self.server.mails.append(message_from_bytes(b"".join(lines)))

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())
