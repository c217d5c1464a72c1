"""References to values of a run to come; they render to templates and are never evaluated."""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from workflows.core.definition import JsonValue
from workflows.core.templates import Code, parse_template
from workflows.core.tokens import chains, plain_path

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = frozenset({"true", "false", "null", "in"})


class Ref:
    """A value of the run to come; `ref.field` and `ref[0]` refer to what is inside it.

    In an f-string it becomes a template too. It has no value yet, so it cannot be compared or counted: write
    such things as `expr("...")`.

    >>> str(Ref("input").lines[0].price), f"order {Ref('input').id}"
    ('${{ input.lines[0].price }}', 'order ${{ input.id }}')
    """

    __slots__ = ("_base", "_source")
    __hash__ = None  # type: ignore[assignment]  # equality is refused

    def __init__(self, source: str) -> None:
        self._source = source
        self._base = source if plain_path(source) else f"({source})"

    def __getattr__(self, name: str) -> "Ref":
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, key: str | int) -> "Ref":
        is_field = isinstance(key, str) and _FIELD.fullmatch(key) and key not in _WORDS
        inner = Ref(f"{self._base}.{key}" if is_field else f"{self._base}[{json.dumps(key)}]")
        inner._base = inner._source  # a selection needs no brackets around it
        return inner

    def __str__(self) -> str:
        return f"${{{{ {self._source} }}}}"

    def __repr__(self) -> str:
        return f"Ref({self._source!r})"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(
            f"{self._source!r} has no value while the workflow is written: compute with expr('...') instead"
        )

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __bool__ = __iter__ = __len__ = __contains__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse


class StepRef:
    """A step of the workflow that is being written."""

    __slots__ = ("id",)

    def __init__(self, step_id: str) -> None:
        self.id = step_id

    @property
    def output(self) -> Ref:
        """This will refer to the step's output."""
        return Ref(f"steps.{self.id}.output")

    @property
    def state(self) -> Ref:
        """This will refer to the state the step ended in."""
        return Ref(f"steps.{self.id}.state")


def rendered(value: Any) -> JsonValue:  # Any: JSON in which any value may be a Ref
    """This will turn references into templates, and tuples into lists."""
    if isinstance(value, Ref):
        return str(value)
    if isinstance(value, Mapping):
        return {key: rendered(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rendered(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    hint = f": write {value.id}.output" if isinstance(value, StepRef) else ""
    raise TypeError(f"a definition holds JSON and references, not {type(value).__name__}{hint}")


def steps_named(value: JsonValue) -> list[str]:
    """This will find the steps that the templates in a value refer to, in order, each once.

    >>> steps_named({"a": "${{ steps.b.output }}", "c": ["x ${{ steps.a.state }}", "${{ input.steps }}"]})
    ['b', 'a']
    """
    if isinstance(value, Mapping):
        found = [step for item in value.values() for step in steps_named(item)]
    elif isinstance(value, str):
        found = [step for part in parse_template(value) if isinstance(part, Code) for step in _steps_of(part.source)]
    elif isinstance(value, list):
        found = [step for item in value for step in steps_named(item)]
    else:
        found = []
    return list(dict.fromkeys(found))


def _steps_of(source: str) -> list[str]:
    return sorted(chain[1] for chain in chains(source) if chain[0] == "steps" and len(chain) > 1)
