"""The Idempotency-Key header: its form, and what happens when the same key comes twice at the same moment.

Source: draft-ietf-httpapi-idempotency-key-header; the string's form is RFC 9651, 3.3.3.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError
from psycopg.errors import LockNotAvailable

from workflows.api.errors import IdempotencyKeyInvalid, StartUnderWay

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
MAX_LENGTH = 180
WAIT_MS = 2000
"""How long a request waits for another one with the same key before it is told to come again."""

_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_PLAIN = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")


def parse_key(header: str) -> str:
    r"""This will read the key, with or without quotes. Raises IdempotencyKeyInvalid.

    >>> parse_key('"a \\"b\\" c"'), parse_key("8e03978e-40d5")
    ('a "b" c', '8e03978e-40d5')
    """
    text = header.strip()
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _PLAIN.fullmatch(text):
        key = text
    else:
        raise IdempotencyKeyInvalid
    if not 1 <= len(key) <= MAX_LENGTH:
        raise IdempotencyKeyInvalid
    return key


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """This will say so when a start waited in vain for another one with its key. Raises StartUnderWay."""
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise StartUnderWay from error
        raise
