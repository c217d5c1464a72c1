"""Python functions as steps: names, arguments, calls."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypedDict

import pytest

from integrations.errors import Refused
from workflows import registry
from workflows.core.context import StepContext
from workflows.registry import FunctionInvalid, UnknownFunction, function

CONTEXT = StepContext(idempotency_key="k", attempt=1, run_id="r", step="s", correlation_id="c", timeout_s=5.0)


class Line(TypedDict):
    """An item of an order."""

    sku: str
    price: float


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """This will keep the functions of these tests out of everybody else's sight."""
    monkeypatch.setattr(registry, "_functions", {})


def made_in(module: str) -> Callable[[], None]:
    """This will make a function `work` that says it is defined in a module."""

    def work() -> None:
        """Nothing."""

    work.__module__ = module
    work.__qualname__ = work.__name__
    return work


@pytest.mark.parametrize(
    ("module", "name", "registered"),
    [
        ("shop.workflows", None, "shop.work"),
        ("company.shop.workflows", None, "shop.work"),
        ("company.shop.workflows", "book", "shop.book"),
        ("company.shop.workflows", "crm.book", "crm.book"),
        ("jobs", None, "jobs.work"),
    ],
)
def test_function_is_named_after_its_app(module: str, name: str | None, registered: str) -> None:
    work = made_in(module)

    assert function(name=name)(work) is work
    assert registry.names() == {registered}
    assert registry.name_of(work) == registered


def test_function_is_refused_when_another_module_has_taken_its_name() -> None:
    function(made_in("a.shop.workflows"))
    function(made_in("a.shop.workflows"))

    with pytest.raises(FunctionInvalid, match=r"a\.shop\.workflows\.work and as b\.shop\.workflows\.work"):
        function(made_in("b.shop.workflows"))


def test_find_names_the_nearest_function_when_there_is_none() -> None:
    function(made_in("shop.workflows"))

    with pytest.raises(UnknownFunction, match=r"did you mean 'shop\.work'"):
        registry.find("shop.wrok")


def test_arguments_follow_from_the_type_hints() -> None:
    @function(name="t.f")
    def call(
        line: Line,
        count: int,
        rate: float | None = None,
        *,
        tags: list[str],
        size: Literal["s", "m"] = "s",
        anything: object = None,
        context: StepContext,
    ) -> None:
        """Nothing."""

    line = {
        "type": "object",
        "required": ["price", "sku"],
        "properties": {"sku": {"type": "string"}, "price": {"type": "number"}},
    }
    assert registry.schemas() == {
        "t.f": {
            "type": "object",
            "required": ["line", "count", "tags"],
            "properties": {
                "line": line,
                "count": {"type": "integer"},
                "rate": {"anyOf": [{"type": "number"}, {"type": "null"}]},
                "tags": {"type": "array", "items": {"type": "string"}},
                "size": {"enum": ["s", "m"]},
                "anything": {},
            },
            "additionalProperties": False,
        }
    }


def test_function_may_take_any_arguments() -> None:
    @function(name="t.f")
    def call(**anything: object) -> object:
        return anything

    assert registry.find("t.f").invoke({"a": 1}, context=CONTEXT) == {"a": 1}


def test_invoke_gives_the_context_only_to_those_who_ask() -> None:
    @function(name="t.with")
    def informed(a: int, context: StepContext) -> object:
        return a, context.idempotency_key

    @function(name="t.without")
    def plain(a: int) -> object:
        return a

    assert registry.find("t.with").invoke({"a": 1}, context=CONTEXT) == (1, "k")
    assert registry.find("t.without").invoke({"a": 1}, context=CONTEXT) == 1


def test_invoke_gives_a_copy_so_that_no_call_can_change_the_definition() -> None:
    @function(name="t.f")
    def careless(lines: list[int]) -> object:
        lines.append(3)
        return lines

    given = [1, 2]
    assert registry.find("t.f").invoke({"lines": given}, context=CONTEXT) == [1, 2, 3]
    assert given == [1, 2]


def test_invoke_gives_a_coroutine_of_an_async_function() -> None:
    @function(name="t.f")
    async def call(a: int) -> int:
        return a

    result = registry.find("t.f").invoke({"a": 1}, context=CONTEXT)
    assert inspect.iscoroutine(result)
    result.close()


@pytest.mark.parametrize("args", [{}, {"a": "1"}, {"a": 1, "b": 2}])
def test_invoke_refuses_arguments_that_do_not_fit(args: dict[str, str | int]) -> None:
    @function(name="t.f")
    def call(a: int) -> int:
        return a

    with pytest.raises(Refused, match=r"t\.f cannot take these arguments: args"):
        registry.find("t.f").invoke(args, context=CONTEXT)


def test_function_is_refused_when_arguments_cannot_be_given_by_name() -> None:
    def positional(a: int, /) -> None:
        """Nothing."""

    with pytest.raises(FunctionInvalid, match="given by name"):
        function(positional)


def test_function_is_refused_when_it_wants_a_dataclass() -> None:
    @dataclass
    class Order:
        total: int

    def book(order: Order) -> None:
        """Nothing."""

    book.__annotations__["order"] = Order
    with pytest.raises(FunctionInvalid, match="TypedDict"):
        function(book)
