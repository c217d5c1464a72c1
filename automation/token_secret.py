"""The secret part of an API token: how it is made, recognised and stored; it never meets a database.

A secret has 256 random bits, so that a plain SHA-256 of it can be stored and looked up: there is nothing to
guess, and a slow password hash would only cost time at every request.
"""

import hashlib
import re
import secrets

_MARK = "aut_"
_PREFIX_LENGTH = 8
_SECRET_BYTES = 32
_FORM = re.compile(rf"{_MARK}[0-9a-f]{{{_PREFIX_LENGTH}}}_[A-Za-z0-9_-]{{43}}")


def mint() -> str:
    """This will make a new token: a mark that secret scanners find, a public prefix, the secret."""
    return f"{_MARK}{secrets.token_hex(_PREFIX_LENGTH // 2)}_{secrets.token_urlsafe(_SECRET_BYTES)}"


def is_token(text: str) -> bool:
    """This will tell whether a text has the form of a token.

    >>> is_token("aut_0123abcd_" + "x" * 43), is_token("aut_0123abcd_short")
    (True, False)
    """
    return _FORM.fullmatch(text) is not None


def prefix_of(token: str) -> str:
    """This will give the part by which people tell tokens apart; it is no secret.

    >>> prefix_of("aut_0123abcd_" + "x" * 43)
    'aut_0123abcd'
    """
    return token[: len(_MARK) + _PREFIX_LENGTH]


def digest_of(token: str) -> str:
    """This will give what is stored instead of the token: its SHA-256, in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
