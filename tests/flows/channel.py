"""A channel of somebody else, as NOTIFICATION_CHANNELS names it: posts, and can end its process right after."""

import os
import signal
from pathlib import Path
from urllib.request import Request, urlopen

from integrations.notifications.contract import Parcel

name = "deadly"


def check(recipient: str) -> None:
    """This will take any recipient: URL, a space, and a file whose absence is the sender's death."""


def send(parcel: Parcel) -> None:
    """This will deliver, and kill its process when the file is not there yet."""
    url, _, path = parcel.recipient.partition(" ")
    urlopen(Request(url, data=parcel.text.encode(), headers={"Idempotency-Key": parcel.id}), timeout=120).close()
    if path and not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
