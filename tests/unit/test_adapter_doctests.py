"""The examples in the docstrings of what adapters share."""

import doctest
from types import ModuleType

import pytest

from integrations import contents, plain, vendor_http
from integrations.adapters.rest import openapi, pages
from integrations.salesforce import soql


@pytest.mark.parametrize(
    "module", [contents, openapi, pages, plain, soql, vendor_http], ids=lambda module: module.__name__
)
def test_examples_are_true(module: ModuleType) -> None:
    done = doctest.testmod(module)

    assert done.attempted > 0
    assert done.failed == 0
