"""The channel `mail`: Django's mail, to one address, through the server that EMAIL_URL names."""

import smtplib

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email

from integrations.errors import Refused, Unavailable, Unknown
from integrations.notifications.contract import Parcel, WrongRecipient

name = "mail"
_PERMANENT = 500


def check(recipient: str) -> None:
    """This will take one mail address. Raises WrongRecipient."""
    try:
        validate_email(recipient)
    except ValidationError:
        raise WrongRecipient(f"{recipient!r} is no mail address: write one such as finance@example.com") from None


def send(parcel: Parcel) -> None:
    """This will hand the mail to the server. Its Message-ID is made of the notification's id.

    Raises Refused when the server says never, Unavailable when it did not take it, Unknown when nobody can tell.
    """
    if not settings.EMAIL_URL:
        raise Unavailable("no mail server is set up: set EMAIL_URL, such as smtp+tls://user:password@mail.example.com")
    message = EmailMessage(
        subject=" ".join(parcel.subject.split()),
        body=parcel.text,
        to=[parcel.recipient],
        headers={"Message-ID": f"<{parcel.id}@{_domain()}>", "X-Automation-Notification": parcel.id},
        connection=get_connection(timeout=parcel.timeout_s),
    )
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        (code, answer), *_ = error.recipients.values()
        raise _judged(code, answer) from error
    except smtplib.SMTPResponseException as error:
        raise _judged(error.smtp_code, error.smtp_error) from error
    except smtplib.SMTPServerDisconnected as error:
        raise Unknown(f"the mail server hung up: {error}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(f"the mail server did not take it: {type(error).__name__}: {error}") from error


def _judged(code: int, answer: bytes | str) -> Refused | Unavailable:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    kind = Refused if code >= _PERMANENT else Unavailable
    return kind(f"the mail server answered {code} {text}"[:500])


def _domain() -> str:
    return settings.EMAIL_FROM.rpartition("@")[2].rstrip(">") or "localhost"
