"""The formulas in the docstrings of the core of reconciliation hold."""

import doctest
from types import ModuleType

import pytest

from reconciliation.core import buckets, comparators, compare, counts, lifecycle, record


@pytest.mark.parametrize("module", [buckets, comparators, compare, counts, lifecycle, record])
def test_docstrings_are_true(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0
