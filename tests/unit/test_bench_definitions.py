"""The measured workflows are definitions like any other."""

import pytest

from benchmarks import definitions, workflows
from workflows import registry
from workflows.documents import parse_document
from workflows.operations import publishing
from workflows.validation import find_problems


@pytest.mark.parametrize("source", definitions.sources())
def test_source_is_a_valid_definition(source: str) -> None:
    document = parse_document(source).document

    assert find_problems(document, uses=publishing.uses(), functions=registry.schemas()) == []


def test_split_gives_as_many_items_as_asked_for() -> None:
    assert workflows.split(3) == [0, 1, 2]
