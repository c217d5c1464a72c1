"""What makes two failures the same: where they happened, and their message without its values; it never does I/O.

Everything that has a digit in it varies (numbers, instants, addresses, most ids), and so do UUIDs, long hexadecimal
numbers and whatever stands in quotes. The same idea as in log template miners: a message is a constant text with holes.
"""

import hashlib
import re

HOLE = "<*>"
"""What stands in a template where messages differ."""

_LENGTH = 16
_READ_CHARS = 2_000
_HEX = "[0-9a-fA-F]"
_WORD = r"[^\W_]"
_VALUES = re.compile(
    rf"""
    "[^"]*" | '[^']*' | `[^`]*`
    | (?<!{_WORD})(?:{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}|{_HEX}{{16,}})(?!{_WORD})
    | {_WORD}*\d{_WORD}*
    """,
    re.VERBOSE,
)
_HOLES = re.compile(r"(?:(?<=[\s(\[=])|^)[-+]<\*>(?:[-:.,+]<\*>)*|<\*>(?:[-:.,+]<\*>)*")


def template(message: str) -> str:
    """This will give a message with a hole for each value; a template is its own template.

    >>> template("order 4711: http status 503 from 'shop-a' after 1.25 s at 2026-11-21T08:06:46.1+00:00")
    'order <*>: http status <*> from <*> after <*> s at <*>'
    >>> template("no account de305d54-75b4-431b-adb2-eb6b9e546014 (balance -5)")
    'no account <*> (balance <*>)'
    """
    text = " ".join(message[:_READ_CHARS].split())
    return _HOLES.sub(HOLE, _VALUES.sub(HOLE, text))


def fingerprint(*, workflow: str, step: str, kind: str, message: str) -> str:
    """This will give 16 hexadecimal digits that equal failures share; `step` is empty where a run itself failed."""
    parts = "\0".join((workflow, step, kind, template(message)))
    return hashlib.sha256(parts.encode("utf-8", "replace")).hexdigest()[:_LENGTH]
