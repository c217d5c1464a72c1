"""JSON and YAML on the wire: fast, strict about what can be stored, and of limited size."""

import json
import re
from collections.abc import Mapping
from typing import IO, Any

import orjson
from django.http import HttpRequest
from django.utils.functional import Promise
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

from workflows.api.errors import BodyInvalid

_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_INT64 = range(-(2**63), 2**64)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class JsonRenderer(BaseRenderer):
    """Writes JSON with orjson: instants as ISO 8601 in UTC with `Z`."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: object,
        _accepted_media_type: str | None = None,
        _renderer_context: Mapping[str, Any] | None = None,  # Any: as the framework declares it
    ) -> bytes:
        """This will write the answer's body; none when there is nothing to say."""
        if data is None:
            return b""
        try:
            return orjson.dumps(data, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
        except orjson.JSONEncodeError:  # an integer of more than 64 bits, which PostgreSQL keeps and gives back
            return json.dumps(data, cls=JSONEncoder, ensure_ascii=False).encode()


class JsonParser(BaseParser):
    """Reads JSON with orjson: no NaN, no lone surrogates, and no NUL, which PostgreSQL cannot store."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        _media_type: str | None = None,
        _parser_context: Mapping[str, Any] | None = None,  # Any: as the framework declares it
    ) -> Any:  # Any: whatever the JSON is; the framework allows objects alone
        """This will read a request's body. Raises BodyInvalid with the place of the error."""
        raw = _body(stream)
        if _NUL.search(raw):
            raise BodyInvalid("the body holds a NUL character (\\u0000), which cannot be stored")
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise BodyInvalid(f"the body is not JSON: {error}") from error
        if _LONG_NUMBER.search(raw):
            json.loads(raw, parse_int=_exact)
        return value


class CloudEventParser(JsonParser):
    """Reads an event in structured mode."""

    media_type = "application/cloudevents+json"


class CloudEventBatchParser(JsonParser):
    """Reads a list of events."""

    media_type = "application/cloudevents-batch+json"


class YamlParser(BaseParser):
    """Takes a definition written in YAML as it is (RFC 9512); the engine itself parses it."""

    media_type = "application/yaml"

    def parse(
        self,
        stream: IO[Any],
        _media_type: str | None = None,
        _parser_context: Mapping[str, Any] | None = None,  # Any: as the framework declares it
    ) -> dict[str, str]:
        """This will give the text as `source`. Raises BodyInvalid when it is not UTF-8."""
        try:
            return {"source": _body(stream).decode()}
        except UnicodeDecodeError as error:
            raise BodyInvalid(f"the body is not UTF-8: {error}") from error


class JsonOnly(BaseContentNegotiation):
    """Answers in JSON whatever the caller prefers: there is nothing else to choose from."""

    def select_parser(self, request: Request, parsers: Any) -> Any:  # Any: as the framework declares it
        """This will choose by Content-Type; None answers 415."""
        given = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == given), None)

    def select_renderer(
        self, _request: Request, renderers: Any, _format_suffix: str | None = None
    ) -> tuple[Any, str]:  # Any: as the framework declares it
        """This will choose the first."""
        return renderers[0], renderers[0].media_type


def _exact(digits: str) -> int:
    """orjson would read a longer integer as a float and lose its last digits."""
    if (number := int(digits[:25])) in _INT64 and len(digits) <= len("-9223372036854775808"):
        return number
    shown = digits if len(digits) <= 40 else f"{digits[:40]}..."
    raise BodyInvalid(f"the integer {shown} has more than 64 bits: send it as a string")


def _body(stream: IO[Any]) -> bytes:
    """Only `body` enforces DATA_UPLOAD_MAX_MEMORY_SIZE; a stream would be read to its end."""
    source: Any = stream  # Any: the framework passes the request itself, which is declared to be no stream
    body: bytes = source.body if isinstance(source, HttpRequest) else source.read()
    return body


def _plain(value: object) -> object:
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
