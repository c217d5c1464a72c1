"""One conversation with a mail server, phase by phase: only the last one can leave an outcome unknown."""

import hashlib
import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from email.utils import parseaddr

from django.core.mail import EmailMultiAlternatives
from django.core.mail.message import BadHeaderError

from integrations import contents, endpoints
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline, Endpoint
from integrations.errors import CallFailed, Denied, Refused, Throttled, Unavailable, Unknown
from integrations.watchdog import watched

_SCHEMES: Mapping[str, int] = {"smtp": 587, "smtps": 465}
_PERMANENT = 500
_DENIED = frozenset({530, 534, 535})
"""Log in, with more than that, with something else (RFC 4954)."""
_SLOW_DOWN = ("too many", "rate", "throttl", "slow down", "try again later")


class _Guarded(smtplib.SMTP):
    """An SMTP connection over a socket that leads to a checked address; with a context it is TLS from the start."""

    def __init__(self, opened: socket.socket, *, host: str, timeout_s: float, context: ssl.SSLContext | None) -> None:
        self._opened = opened
        self._context = context
        super().__init__(timeout=timeout_s)
        self._host = host  # the name that STARTTLS checks

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002
        self._opened.settimeout(timeout)
        if self._context is None:
            return self._opened
        return self._context.wrap_socket(self._opened, server_hostname=host)


def send(
    *, inputs: Mapping[str, object], connection: ConnectionSettings, timeout_s: float, key: str, repeatable: bool
) -> Mapping[str, object]:
    """This will give one mail to a server, for all recipients or for none."""
    endpoints.endpoint(connection, schemes=_SCHEMES)
    sender = str(connection.options.get("sender", ""))
    message_id = _message_id(key, sender=sender)
    message = _message(inputs, sender=sender, message_id=message_id)
    recipients = [parseaddr(recipient)[1] for recipient in message.recipients()]
    data = _written(message)
    with _conversation(connection, deadline=Deadline.after(timeout_s)) as server:
        _expect(server.mail(parseaddr(sender)[1], ["SMTPUTF8"] if _needs_utf8(recipients) else ()), what=sender)
        for recipient in recipients:
            _expect(server.rcpt(recipient), what=recipient)
        try:
            answer = server.data(data)
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            raise Unknown(
                f"the connection broke after the mail was given: {str(error) or type(error).__name__}",
                repeatable=repeatable,
            ) from error
        _expect(answer, what="the mail")
    return {"message_id": message_id, "recipients": recipients}


def greeting(connection: ConnectionSettings, *, timeout_s: float) -> str:
    """This will log in, and say how the server calls itself."""
    with _conversation(connection, deadline=Deadline.after(timeout_s)) as server:
        return f"it lets us in: {(server.ehlo_resp or b'').decode(errors='replace').partition(chr(10))[0]}"


@contextmanager
def _conversation(connection: ConnectionSettings, *, deadline: Deadline) -> Iterator[smtplib.SMTP]:
    """A server that has let us in, and what a failure before the mail was given means."""
    target = endpoints.endpoint(connection, schemes=_SCHEMES)
    opened = endpoints.connect(target, connection=connection, timeout_s=deadline.left_s)
    timeout_s = max(min(deadline.left_s, connection.read_timeout_s), 0.001)
    context = ssl.create_default_context()
    is_encrypted = target.scheme == "smtps"
    server = _Guarded(opened, host=target.host, timeout_s=timeout_s, context=context if is_encrypted else None)
    with opened, closing(server), opened.dup() as copy, watched(deadline, break_off=lambda: _shutdown(copy)):
        try:
            _log_in(server, target=target, connection=connection, context=context)
            yield server
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
        except smtplib.SMTPResponseException as error:
            raise _failure(error.smtp_code, error.smtp_error, what="it") from error
        except smtplib.SMTPNotSupportedError as error:
            raise Refused(f"the mail server cannot do it: {error}") from error
        except ssl.SSLCertVerificationError as error:
            raise Refused(f"the certificate of the mail server is not right: {error.verify_message}") from error
        except (smtplib.SMTPException, OSError) as error:
            detail = str(error) or type(error).__name__
            raise Unavailable(f"the mail server did not take it: {detail}") from error


def _log_in(server: smtplib.SMTP, *, target: Endpoint, connection: ConnectionSettings, context: ssl.SSLContext) -> None:
    _expect(server.connect(target.host, target.port), what="us")
    if target.scheme == "smtp" and connection.options.get("tls", "verify") == "verify":
        server.starttls(context=context)
    server.ehlo_or_helo_if_needed()
    user = connection.options.get("user")
    if isinstance(user, str):
        server.login(user, connection.secret_values.get("password", ""))


def _message(inputs: Mapping[str, object], *, sender: str, message_id: str) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(
        subject=str(inputs["subject"]),
        body=str(inputs["text"]),
        from_email=sender,
        to=_texts(inputs.get("to")),
        cc=_texts(inputs.get("cc")),
        bcc=_texts(inputs.get("bcc")),
        reply_to=_texts(inputs.get("reply_to")),
        headers={"Message-ID": message_id},
    )
    if "html" in inputs:
        message.attach_alternative(str(inputs["html"]), "text/html")
    attachments = inputs.get("attachments")
    for attachment in attachments if isinstance(attachments, list) else ():
        data = contents.decoded(attachment)
        message.attach(attachment["name"], data, attachment.get("type", "application/octet-stream"))
    return message


def _written(message: EmailMultiAlternatives) -> bytes:
    try:
        return message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]  # Django's takes it, its stubs do not
    except (BadHeaderError, UnicodeError, ValueError) as error:
        raise Refused(f"the mail cannot be written: {error}") from error


def _message_id(key: str, *, sender: str) -> str:
    """The key itself may hold what a header must not."""
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain}>"


def _expect(answer: tuple[int, bytes], *, what: str) -> None:
    code, text = answer
    if not 200 <= code < 300:
        raise _failure(code, text, what=what)


def _failure(code: int, text: bytes | str, *, what: str) -> CallFailed:
    said = (text.decode(errors="replace") if isinstance(text, bytes) else text).replace("\n", " ")[:300]
    message, evidence = f"the mail server refused {what}: {code} {said}", {"code": code}
    if code in _DENIED:
        return Denied(message, evidence=evidence)
    if code >= _PERMANENT:
        return Refused(message, evidence=evidence)
    if any(words in said.lower() for words in _SLOW_DOWN):
        return Throttled(message, evidence=evidence)
    return Unavailable(message, evidence=evidence)


def _needs_utf8(recipients: Sequence[str]) -> bool:
    return not all(recipient.isascii() for recipient in recipients)


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _shutdown(opened: socket.socket) -> None:
    with suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
