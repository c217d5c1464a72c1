"""Which channels there are: those of this package and those that NOTIFICATION_CHANNELS names; it never sends."""

import functools
from collections.abc import Mapping
from importlib import import_module

from django.conf import settings

from integrations.notifications import log, mail, webhook
from integrations.notifications.contract import Channel, UnknownChannel, WrongRecipient

_BUILT_IN: tuple[Channel, ...] = (mail, webhook, log)


def get_channel(name: str) -> Channel:
    """This will find a channel by its name. Raises UnknownChannel."""
    try:
        return channels()[name]
    except KeyError:
        known = ", ".join(sorted(channels()))
        raise UnknownChannel(f"there is no channel {name!r}: known are {known}") from None


def problem_with(*, channel: str, recipient: str) -> str | None:
    """This will say why a recipient cannot be reached that way; None: nothing speaks against it."""
    try:
        get_channel(channel).check(recipient)
    except (UnknownChannel, WrongRecipient) as error:
        return str(error)
    return None


@functools.cache
def channels() -> Mapping[str, Channel]:
    """This will give all channels by name, read once per process; one of the settings wins over one of ours."""
    own: list[Channel] = [import_module(path) for path in settings.NOTIFICATION_CHANNELS]
    return {channel.name: channel for channel in (*_BUILT_IN, *own)}
