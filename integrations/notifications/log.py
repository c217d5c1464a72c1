"""The channel `log`: one line in the log of the scheduler, for first contact and for machines that read logs."""

import structlog

from integrations.notifications.contract import Parcel, WrongRecipient

name = "log"
_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def check(recipient: str) -> None:
    """This will take any word that says whom the line is for. Raises WrongRecipient."""
    if not recipient.strip():
        raise WrongRecipient("the channel log needs a word that says whom the line is for, such as operators")


def send(parcel: Parcel) -> None:
    """This will write the line; signed addresses stay out of logs, so the text does too."""
    _log.info(
        "notification",
        notification=parcel.id,
        recipient=parcel.recipient,
        subject=parcel.subject,
        about=parcel.about,
        correlation_id=parcel.correlation_id,
    )
