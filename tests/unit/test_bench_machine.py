"""What the benchmark reads from Linux and from the web server."""

import os

import pytest

from benchmarks import machine
from benchmarks.http_client import HttpError, parse_head


def test_memory_field_is_in_bytes() -> None:
    assert machine.memory_field("Rss:   12 kB\nPss:    8 kB\n", name="Pss") == 8192


def test_memory_field_refuses_a_missing_field() -> None:
    with pytest.raises(KeyError):
        machine.memory_field("Rss: 12 kB\n", name="Pss")


def test_anonymous_bytes_reads_this_process() -> None:
    assert machine.anonymous_bytes(os.getpid()) > 1_000_000


def test_processor_ticks_count_waiting_for_disks_as_idle() -> None:
    assert machine.processor_ticks("cpu  10 1 5 80 5 2 2 0 0 0\ncpu0 1") == (20, 85)


def test_busy_share_is_a_share() -> None:
    assert 0.0 <= machine.busy_share(seconds=0.05) <= 1.0


def test_parse_head_gives_status_and_length() -> None:
    assert parse_head(b"HTTP/1.1 201 Created\r\ncontent-type: a\r\ncontent-length: 12") == (201, 12)


def test_parse_head_refuses_an_answer_of_unknown_length() -> None:
    with pytest.raises(HttpError, match="Content-Length"):
        parse_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked")
