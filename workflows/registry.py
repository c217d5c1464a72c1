"""The Python functions that workflows may call, by name; it never calls one on its own."""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from django.utils.module_loading import autodiscover_modules

from integrations.errors import Refused
from workflows.core.context import StepContext
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.problems import suggestion
from workflows.hints import schema_of
from workflows.schema import Schema

_Callable = Callable[..., Any]  # Any: a function gives what it likes, its output is checked when it is stored
_F = TypeVar("_F", bound=_Callable)


class FunctionInvalid(TypeError):
    """A function cannot be registered; the message says why."""


class UnknownFunction(LookupError):
    """No function of that name is registered in this process (it may be in a newer release)."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no function {name!r} is registered: {suggestion(name, known=names(), noun='function')}")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A registered function. `arguments` is the JSON Schema of `args`; `context` is never among them."""

    name: str
    implementation: _Callable
    arguments: JsonObject
    takes_context: bool
    schema: Schema
    is_pure: bool = False

    @property
    def origin(self) -> str:
        """This will give where the function was defined."""
        return f"{self.implementation.__module__}.{self.implementation.__qualname__}"

    def invoke(self, args: Mapping[str, JsonValue], *, context: StepContext) -> object:
        """This will call the function with its own copy of `args`; of an `async def` it gives the coroutine.

        Raises Refused when `args` do not fit: no further attempt could change that.
        """
        problems = self.schema.problems(args, at="args")
        if problems:
            listed = "; ".join(str(problem) for problem in problems)
            raise Refused(f"{self.name} cannot take these arguments: {listed}")
        given = {name: _copied(value) for name, value in args.items()}
        if self.takes_context:
            return self.implementation(**given, context=context)
        return self.implementation(**given)


_functions: dict[str, Function] = {}


def takes_context(name: str) -> bool:
    """This will tell whether a function of that name is registered and is told whom it serves."""
    found = _functions.get(name)
    return found is not None and found.takes_context


def is_pure(name: str) -> bool:
    """This will tell whether a function of that name is registered and promises to change nothing."""
    found = _functions.get(name)
    return found is not None and found.is_pure


@overload
def function(implementation: _F, /) -> _F: ...
@overload
def function(*, name: str | None = None, pure: bool = False) -> Callable[[_F], _F]: ...
def function(
    implementation: _F | None = None, /, *, name: str | None = None, pure: bool = False
) -> _F | Callable[[_F], _F]:
    """This will let workflows call a function, as `<app>.<function name>`, and give it back unchanged.

    A `name` with a dot is taken as it is; without one it replaces the function's own name. A parameter
    `context` is given the `StepContext`. `pure` promises that it changes nothing: dry runs may call it. Raises
    FunctionInvalid.
    """

    def register(implementation: _F) -> _F:
        _register(implementation, name=name, is_pure=pure)
        return implementation

    return register if implementation is None else register(implementation)


def find(name: str) -> Function:
    """This will give a registered function. Raises UnknownFunction."""
    try:
        return _functions[name]
    except KeyError:
        raise UnknownFunction(name) from None


def names() -> frozenset[str]:
    """This will give the names of all registered functions."""
    return frozenset(_functions)


def schemas() -> Mapping[str, JsonObject]:
    """This will give the JSON Schema of the arguments of every registered function, by name."""
    return {name: function.arguments for name, function in _functions.items()}


def name_of(implementation: _Callable) -> str:
    """This will give the name a function was registered by. Raises FunctionInvalid when it was not."""
    for registered in _functions.values():
        if registered.implementation is implementation:
            return registered.name
    raise FunctionInvalid(f"{implementation!r} is not registered: decorate it with `@function`")


def discover() -> None:
    """This will import the module `workflows` of every installed Django app that has one."""
    autodiscover_modules("workflows")


def _copied(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _register(implementation: _Callable, *, name: str | None, is_pure: bool) -> None:
    schema, takes_context = _signature(implementation)
    registered = Function(
        name=_full_name(implementation, name=name),
        implementation=implementation,
        arguments=schema,
        takes_context=takes_context,
        schema=Schema(schema),
        is_pure=is_pure,
    )
    before = _functions.get(registered.name)
    if before is not None and before.origin != registered.origin:
        raise FunctionInvalid(
            f"function {registered.name!r} is registered twice, as {before.origin} and as "
            f"{registered.origin}: give one of them another `name`"
        )
    _functions[registered.name] = registered


def _full_name(implementation: _Callable, *, name: str | None) -> str:
    """This will give `<app>.<name>`; the app is the package that holds the module."""
    if name is not None and "." in name:
        return name
    package, _, module = implementation.__module__.rpartition(".")
    return f"{(package or module).rpartition('.')[2]}.{name or implementation.__name__}"


def _signature(implementation: _Callable) -> tuple[JsonObject, bool]:
    hints = _hints(implementation)
    properties: dict[str, JsonObject] = {}
    required: list[str] = []
    is_open = takes_context = False
    for parameter in inspect.signature(implementation).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            is_open = True
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise FunctionInvalid(
                f"{implementation.__qualname__}: arguments are given by name, so {parameter} cannot be"
            )
        elif parameter.name == "context":
            takes_context = True
        else:
            properties[parameter.name] = _parameter_schema(implementation, parameter, hints=hints)
            if parameter.default is parameter.empty:
                required.append(parameter.name)
    schema: JsonObject = {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": is_open,
    }
    return schema, takes_context


def _parameter_schema(
    implementation: _Callable, parameter: inspect.Parameter, *, hints: Mapping[str, Any]
) -> JsonObject:
    hint = hints.get(parameter.name, object)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        raise FunctionInvalid(
            f"{implementation.__qualname__}: {parameter.name!r} arrives as a dict: annotate it with a "
            f"TypedDict instead of the dataclass {hint.__name__}"
        )
    return schema_of(hint)


def _hints(implementation: _Callable) -> Mapping[str, Any]:
    """This will give the hints, none at all when one of them is known to type checkers only."""
    try:
        return typing.get_type_hints(implementation)
    except NameError:
        return {}
