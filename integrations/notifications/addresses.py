"""Signed addresses: `[[signed:/path/ID]]` in a text becomes a link at the moment of sending; none is ever stored."""

import re

from django.conf import settings
from django.core import signing

_MARK = re.compile(r"\[\[signed:(/[^\s\]]*?)([^/\s\]]+)\]\]")
_PLAIN = re.compile(r"\[\[page:(/[^\s\]]*)\]\]")
_SALT = "notifications.signed"


def filled(text: str) -> str:
    """This will write the addresses of a text out, those that are signed and those of pages (`[[page:/admin/]]`)."""
    base = settings.PUBLIC_URL.rstrip("/")
    text = _MARK.sub(lambda found: f"{base}{found[1]}{token_of(found[2])}", text)
    return _PLAIN.sub(lambda found: f"{base}{found[1]}", text)


def shown(text: str) -> str:
    """This will write the addresses of pages out, and say where a signed one will stand: nobody else may have that."""
    base = settings.PUBLIC_URL.rstrip("/")
    return _PLAIN.sub(lambda found: f"{base}{found[1]}", _MARK.sub("(a signed link, made when it is sent)", text))


def inert(text: str) -> str:
    """This will make a text harmless that somebody else wrote: no mark in it becomes an address.

    >>> inert("see [[signed:/answer/1]]")
    'see [ [signed:/answer/1]]'
    """
    while "[[" in text:
        text = text.replace("[[", "[ [")
    return text


def token_of(name: str) -> str:
    """This will sign a name; only who knows SECRET_KEY can."""
    return signing.Signer(salt=_SALT, sep="~").sign(name)


def find_name(token: str) -> str | None:
    """This will give the name a token was made for; None: nobody here made it."""
    try:
        return signing.Signer(salt=_SALT, sep="~").unsign(token)
    except signing.BadSignature:
        return None
