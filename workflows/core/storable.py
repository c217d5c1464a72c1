"""What PostgreSQL can keep of JSON and text that come from outside: no NUL, no lone surrogates; it stores nothing."""

import re

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # the escape itself, not a text that shows it
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def holds_nul(json_text: bytes) -> bool:
    """This will tell whether JSON text holds a NUL character, which `jsonb` refuses.

    >>> holds_nul(rb'"a\\u0000b"'), holds_nul(rb'"a\\\\u0000b"')
    (True, False)
    """
    return _NUL.search(json_text) is not None


def readable(text: str) -> str:
    """This will put U+FFFD where a text holds a character that cannot be stored.

    >>> readable("a\\0b")
    'a\\ufffdb'
    """
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
