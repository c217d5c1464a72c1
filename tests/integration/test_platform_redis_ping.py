"""The question whether Redis answers: asked of a real one, of a locked one, and of none."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from config import redis_ping
from config.servers.ports import free_port

URL = os.environ["REDIS_URL"]


@pytest.fixture
def locked() -> Iterator[str]:
    """This will be the URL of a user whose password needs quoting."""
    with redis.Redis.from_url(URL) as client:
        client.acl_setuser("probe", enabled=True, passwords=["+p@ss/word"], commands=["+ping"], reset=True)
        yield f"redis://probe:%s@{urlsplit(URL).hostname}:{urlsplit(URL).port}/0"
        client.acl_deluser("probe")


def test_redis_answers_over_tcp() -> None:
    assert redis_ping.answers(URL, limit_s=120)


def test_redis_does_not_answer_where_nobody_listens() -> None:
    assert not redis_ping.answers(f"redis://127.0.0.1:{free_port()}/0", limit_s=1)
    with tempfile.TemporaryDirectory() as directory:
        assert not redis_ping.answers(f"unix://{Path(directory) / 'none.sock'}?db=0", limit_s=1)


def test_redis_answers_only_whom_it_knows(locked: str) -> None:
    assert redis_ping.answers(locked % "p%40ss%2Fword", limit_s=120)
    assert not redis_ping.answers(locked % "wrong", limit_s=5)
    assert not redis_ping.answers(URL.replace(f":{urlsplit(URL).password}@", ""), limit_s=5)


def test_redis_that_speaks_no_tls_does_not_answer_to_it() -> None:
    assert not redis_ping.answers(URL.replace("redis://", "rediss://"), limit_s=5)
