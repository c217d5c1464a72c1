"""Fixtures of the integration tests."""

from collections.abc import Iterator

import pytest

from tests.support import outbound


@pytest.fixture(params=["blocking", "async"])
def each_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """This will have the calls of `tests.support.outbound` made in both ways, one test for each."""
    outbound.way.begin(is_async=request.param == "async")
    yield
    outbound.way.end()
