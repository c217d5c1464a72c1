"""The measured workflows are definitions like any other."""

import pytest

from benchmarks import definitions, workflows
from workflows import operations


@pytest.mark.parametrize("source", definitions.sources())
def test_source_is_a_valid_definition(source: str) -> None:
    assert operations.check(source)


def test_split_gives_as_many_items_as_asked_for() -> None:
    assert workflows.split(3) == [0, 1, 2]
