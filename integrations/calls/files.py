"""The files among what a call gave or left as evidence, such as pictures: kept beside its row, by their digest. Pure.

A file stands in JSON as `{media_type, size_bytes, sha256, content}`, its content in base64.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import NamedTuple

LARGEST_BYTES = 2_000_000
"""A larger file is not kept."""
MOST = 20
"""More files of one attempt are not kept."""
SIGN = b'"media_type"'
"""JSON without this holds no file."""
_SIGNS = frozenset({"media_type", "sha256", "content"})


class KeptFile(NamedTuple):
    """A file that is kept. `name` is what it was called, or where it stood."""

    digest: str
    name: str
    media_type: str
    content: bytes


def taken_out(value: object, *, call: str = "") -> tuple[object, list[KeptFile]]:
    """This will copy a JSON value without the contents of its files, and give those that are kept.

    What stood for a file says with `kept` whether its content can be read, and of which `call`, if that is given.

    >>> taken_out({"shot": {"media_type": "text/plain", "sha256": "no", "content": "aGk="}})
    ({'shot': {'media_type': 'text/plain', 'sha256': 'no', 'kept': False}}, [])
    """
    found: list[KeptFile] = []
    told = _without(value, name="", about={"call": call} if call else {}, found=found)
    return told, found


def _without(value: object, *, name: str, about: Mapping[str, str], found: list[KeptFile]) -> object:
    if isinstance(value, Mapping):
        if value.keys() >= _SIGNS:
            return _stood_for(value, name=name, about=about, found=found)
        return {key: _without(item, name=str(key), about=about, found=found) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, name=name, about=about, found=found) for item in value]
    return value


def _stood_for(value: Mapping[str, object], *, name: str, about: Mapping[str, str], found: list[KeptFile]) -> object:
    content = _content(value)
    rest = {**{key: item for key, item in value.items() if key != "content"}, **about}
    if content is None or len(found) >= MOST:
        return {**rest, "kept": False}
    called, media_type = str(value.get("name", name))[:100], str(value["media_type"])[:100]
    found.append(KeptFile(str(value["sha256"]), called, media_type, content))
    return {**rest, "kept": True}


def _content(value: Mapping[str, object]) -> bytes | None:
    try:
        content = base64.b64decode(str(value["content"]), validate=True)
    except binascii.Error:
        return None
    is_whole = hashlib.sha256(content).hexdigest() == value["sha256"]  # a masked secret would have broken it
    return content if is_whole and len(content) <= LARGEST_BYTES else None
