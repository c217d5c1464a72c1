"""Connects a request with what caused it: its correlation id and its W3C trace context."""

import re

from workflows.api.errors import CorrelationIdInvalid

HEADER = "X-Correlation-ID"
_CORRELATION = re.compile(r"[\x21-\x7e]{1,200}")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def correlation_id(*, header: str | None, traceparent: str) -> str:
    """This will give the caller's id, else the trace id, else an empty string. Raises CorrelationIdInvalid.

    >>> correlation_id(header=None, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    '0af7651916cd43dd8448eb211c80319c'
    """
    if header is not None:
        if _CORRELATION.fullmatch(header) is None:
            raise CorrelationIdInvalid
        return header
    found = _TRACEPARENT.fullmatch(traceparent)
    return "" if found is None else found[1]


def parse_traceparent(header: str | None) -> str:
    """This will give a valid trace context, else an empty string: a broken one is ignored, as W3C demands.

    >>> parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    >>> parse_traceparent("00-" + "0" * 32 + "-b7ad6b7169203331-01"), parse_traceparent(None)
    ('', '')
    """
    if header is None or _TRACEPARENT.fullmatch(header) is None:
        return ""
    return header
