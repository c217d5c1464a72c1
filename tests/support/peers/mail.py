"""A mail server as the peer of `mail.send`."""

from collections.abc import Iterator, Mapping, Sequence
from email import message_from_bytes
from email.message import Message
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from config.servers.ports import free_port
from integrations.adapters.mail import send
from integrations.contract import ConnectionSettings
from tests.support.peers.contract import SECRET, Case, Peer, settings

PASSWORD = "s3cret-of-the-mail"


class Mailbox:
    """Keeps mails by their Message-ID; recipients whose name says so are refused."""

    def __init__(self) -> None:
        self.mails: dict[str, Message] = {}
        self.recipients: list[str] = []

    async def handle_RCPT(  # noqa: N802  aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Sequence[str]
    ) -> str:
        """This will take a recipient, or refuse him with the code he is called."""
        if not session.authenticated:
            return "530 log in first"
        name = address.partition("@")[0]
        if name.isdecimal():
            return f"{name} too many mails" if name == "452" else f"{name} not {SECRET} here"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """This will keep a mail."""
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content)
        self.mails[str(mail["Message-ID"])] = mail
        self.recipients += envelope.rcpt_tos
        return "250 taken"


def login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    """This will let in who knows the password."""
    is_right = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
    return AuthResult(success=is_right, handled=False)


class Send(Peer):
    """`mail.send` of a mail with an attachment."""

    id = "mail.send"
    adapter = send
    changes = True
    cut_at = b"\r\n.\r\n"

    @property
    def mailbox(self) -> Mailbox:
        """This will be what has arrived."""
        handler = self.server.handler
        assert isinstance(handler, Mailbox)
        return handler

    @property
    def server(self) -> Controller:
        """This will be the session's mail server."""

        def make(_: object) -> Controller:
            server = Controller(
                Mailbox(),
                hostname="127.0.0.1",
                port=free_port(),
                authenticator=login,
                auth_require_tls=False,
            )
            server.start()
            return server

        return self.services.once("mail", make, end=lambda server: server.stop())

    @property
    def port(self) -> int:
        return self.server.port

    def connection(self, *, port: int | None = None, **changes: object) -> ConnectionSettings:
        return settings(
            f"smtp://127.0.0.1:{port or self.port}",
            changes,
            options={"sender": "Shop <shop@example.com>", "user": "shop", "tls": "off"},
            secret_values={"password": PASSWORD},
        )

    def wrong_login(self) -> ConnectionSettings:
        return self.connection(secret_values={"password": SECRET})

    def inputs(self) -> Mapping[str, object]:
        return self.mail("finance@example.com", subject=f"Größe {self.unique()}")

    def mail(self, *to: str, **more: object) -> Mapping[str, object]:
        """This will be the inputs of a mail."""
        return {
            "to": list(to),
            "bcc": ["audit@example.com"],
            "subject": "Order",
            "text": "It is paid.\n.\nReally.",
            "html": "<p>It is paid.</p>",
            "attachments": [{"name": "ordër.csv", "content": "YTtiCg==", "encoding": "base64", "type": "text/csv"}],
            "idempotency": "message_id",
            **more,
        }

    def check(self, output: Any) -> None:
        mail = self.mailbox.mails[output["message_id"]]
        assert output["recipients"] == ["finance@example.com", "audit@example.com"]
        assert mail["From"] == "Shop <shop@example.com>"
        assert mail["Bcc"] is None
        kinds = [part.get_content_type() for part in mail.walk() if not part.is_multipart()]
        assert kinds == ["text/plain", "text/html", "text/csv"]

    def effects(self) -> int:
        return len(self.mailbox.mails)

    def wrong(self) -> Sequence[Case]:
        works = self.connection()
        encrypted = self.connection(options={"sender": "shop@example.com"})
        bad = {"name": "x", "content": "=", "encoding": "base64"}
        return (
            Case(
                inputs=self.mail("finance@example.com", "550@example.com"),
                connection=works,
                says="550@example.com: 550",
            ),
            Case(inputs=self.mail("finance@example.com"), connection=encrypted, says="STARTTLS"),
            Case(inputs=self.mail("finance@example.com", attachments=[bad]), connection=works, says="base64"),
        )

    def throttled(self) -> Iterator[Case]:
        yield Case(inputs=self.mail("452@example.com"), connection=self.connection())
