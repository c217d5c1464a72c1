"""The Python functions that jobs may read records from, by name; it never calls one on its own.

    @source
    def paid_orders(window: Window | None) -> QuerySet:
        return Order.objects.filter(state="paid").values("order_id", "total", "paid_at")

Write them in the module `reconciliations` of an installed app. What a function gives is a query set of `values()`,
a `Select`, or any iterable of mappings; the first two are sorted, summed and streamed by the database.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.utils.module_loading import autodiscover_modules

from workflows.core.problems import Problem, suggestion

Rows = Iterable[Mapping[str, object]]
_Callable = Callable[..., Any]  # Any: what it gives is looked at when it is called
_F = TypeVar("_F", bound=_Callable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """A select of the platform's database with its parameters, `%(name)s` in the text; it names its columns."""

    sql: str
    params: Mapping[str, object] | tuple[object, ...] = field(default_factory=dict)


_functions: dict[str, _Callable] = {}


def source(implementation: _F) -> _F:
    """This will let jobs read from a function, as `<app>.<function name>`, and give it back unchanged.

    A parameter `window` is given the `Window` of the comparison, or None. Raises ValueError when another function has
    the name.
    """
    package, _, module = implementation.__module__.rpartition(".")
    name = f"{(package or module).rpartition('.')[2]}.{implementation.__name__}"
    before = _functions.get(name)
    if before is not None and before.__module__ != implementation.__module__:
        raise ValueError(f"source {name!r} is registered twice: in {before.__module__} and {implementation.__module__}")
    _functions[name] = implementation
    return implementation


def names() -> frozenset[str]:
    """This will give the names of all registered functions."""
    return frozenset(_functions)


def find(name: str) -> _Callable:
    """This will give a registered function. Raises LookupError."""
    try:
        return _functions[name]
    except KeyError:
        hint = suggestion(name, known=names(), noun="source")
        raise LookupError(f"no source {name!r} is registered: {hint}") from None


def call(name: str, *, args: Mapping[str, object], window: object) -> "QuerySet[Any] | Select | Rows":
    """This will call a function with what it takes. Raises LookupError, TypeError when the arguments do not fit."""
    function = find(name)
    known = inspect.signature(function).parameters
    given = {**args, "window": window} if "window" in known else dict(args)
    found: QuerySet[Any] | Select | Rows = function(**given)
    return found


def problem_of(name: str, *, args: Mapping[str, object], at: str) -> Problem | None:
    """This will say what is wrong with a call, None when nothing is."""
    try:
        signature = inspect.signature(find(name))
        signature.bind(**{**args, **({"window": None} if "window" in signature.parameters else {})})
    except (LookupError, TypeError) as error:
        return Problem(at, str(error))
    return None


def discover() -> None:
    """This will import the module `reconciliations` of every installed app that has one."""
    autodiscover_modules("reconciliations")
