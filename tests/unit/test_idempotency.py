"""The form of the Idempotency-Key header."""

import pytest

from tests.support import environment

environment.set_up_django()

from workflows.api import correlation, idempotency  # noqa: E402 - the framework reads settings when imported
from workflows.api.errors import CorrelationIdInvalid, IdempotencyKeyInvalid  # noqa: E402

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ('"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("8e03978e-40d5-43dd", "8e03978e-40d5-43dd"),
        ('  "with space"  ', "with space"),
        (r'"quote \" and \\ backslash"', r'quote " and \ backslash'),
        ('"' + "k" * idempotency.MAX_LENGTH + '"', "k" * idempotency.MAX_LENGTH),
    ],
)
def test_parse_key_reads_strings_with_and_without_quotes(header: str, key: str) -> None:
    assert idempotency.parse_key(header) == key


@pytest.mark.parametrize(
    "header",
    [
        "",
        '""',
        '"open',
        'open"',
        '"a" "b"',
        '"a";b=1',
        "a,b",
        "a b",
        "ümlaut",
        '"ümlaut"',
        r'"\x"',
        '"a\tb"',
        "a\nb",
        "k" * 181,
    ],
)
def test_parse_key_refuses_everything_else(header: str) -> None:
    with pytest.raises(IdempotencyKeyInvalid):
        idempotency.parse_key(header)


def test_correlation_id_is_the_callers_before_that_of_the_trace() -> None:
    assert correlation.correlation_id(header="order-7", traceparent=TRACE) == "order-7"


def test_correlation_id_is_that_of_the_trace_when_the_caller_names_none() -> None:
    assert correlation.correlation_id(header=None, traceparent=TRACE) == TRACE.split("-")[1]


@pytest.mark.parametrize("header", ["", "two words", "line\nbreak", "x" * 201, "é"])
def test_correlation_id_refuses_what_would_spoil_logs(header: str) -> None:
    with pytest.raises(CorrelationIdInvalid):
        correlation.correlation_id(header=header, traceparent="")


@pytest.mark.parametrize(
    "header",
    [
        TRACE.upper(),
        TRACE + "-more",
        "ff" + TRACE[2:],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        "nonsense",
    ],
)
def test_parse_traceparent_ignores_a_broken_one(header: str) -> None:
    assert correlation.parse_traceparent(header) == ""
