"""Contents of files in JSON: as text or as base64; it never reads or writes a file."""

import base64
import binascii
import hashlib
from collections.abc import Mapping

from integrations.contract import CannotTell, DidNotHappen, Happened, LookUp
from integrations.errors import Refused

ENCODING: Mapping[str, object] = {
    "enum": ["utf-8", "base64"],
    "default": "utf-8",
    "description": "How `content` stands for the bytes of the file.",
}
IF_EXISTS: Mapping[str, object] = {
    "enum": ["replace", "refuse"],
    "default": "replace",
    "description": "refuse: a file that is there with another content is left, and the step fails.",
}


def decoded(inputs: Mapping[str, object]) -> bytes:
    """This will give the bytes that `content` stands for. Raises Refused when it is no base64."""
    content = str(inputs["content"])
    if inputs.get("encoding", "utf-8") == "utf-8":
        return content.encode()
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise Refused(f"with/content is no base64: {error}") from error


def encoded(data: bytes, *, inputs: Mapping[str, object], what: str) -> str:
    """This will write bytes as `encoding` says. Raises Refused when they are no UTF-8 or hold NUL."""
    if inputs.get("encoding", "utf-8") == "base64":
        return base64.b64encode(data).decode()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Refused(f"{what} is no UTF-8 text: read it with `encoding: base64`") from error
    if "\0" in text:
        raise Refused(f"{what} holds NUL, which no text may: read it with `encoding: base64`")
    return text


def verdict(there: bytes | None, *, wanted: bytes, output: object) -> LookUp:
    """This will say what a file tells about the call that was to write it."""
    if there is None:
        return DidNotHappen("there is no such file")
    return Happened(output) if there == wanted else CannotTell("it holds something else, from before or from after")


def digest(data: bytes) -> str:
    """This will give the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def temporary_name(name: str, *, key: str) -> str:
    """This will be the name under which a file is written before it has its own; each key has another.

    >>> temporary_name("orders.csv", key="run-1/export")
    '.orders.csv.9484bb1b.part'
    """
    return f".{name}.{hashlib.sha256(key.encode()).hexdigest()[:8]}.part"
