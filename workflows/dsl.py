"""Workflows written in typed Python: what comes out is the same document as from YAML; nothing is executed.

    @workflow(name="order-to-cash", input=OrderInput, deadline="2h")
    def order_to_cash(flow: Flow, input: Ref) -> None:
        charge = flow.http("charge", connection="payments", method="POST", path="/charges",
                           json={"amount": input.total})
        flow.python(book_line, "lines", needs=charge, for_each=input.lines, parallel=20, args={"line": item})
        flow.output({"charge": charge.output.id})

A step waits for every step whose result it looks at, and for the ones in `needs`.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

from workflows import registry
from workflows.core.building import expression_source
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.references import Ref, StepRef, rendered, steps_named
from workflows.hints import schema_of

__all__ = ["Flow", "Ref", "StepRef", "expr", "index", "item", "run", "workflow", "workflows"]

Value: TypeAlias = Any  # Any: JSON in which any value may be a Ref
Length: TypeAlias = str | int | float
item = Ref("item")
"""The item a `for_each` step works on."""
index = Ref("index")
"""Its place in the list, from 0."""
run = Ref("run")
"""The run: `id`, `workflow`, `version`, `correlation_id`, `started_at`."""


class Retry(TypedDict, total=False):
    """How often and when a failed attempt is repeated; see the definition format."""

    attempts: int
    first: Length
    factor: float
    cap: Length
    jitter: Literal["none", "full", "equal", "decorrelated"]
    budget: Length | None
    on: list[str]


class Defaults(TypedDict, total=False):
    """Values for every step that does not say otherwise."""

    queue: str
    retry: Retry
    timeout: Length


class Fairness(TypedDict, total=False):
    """Whose share of the lanes a run uses; see the definition format."""

    key: Value
    weight: float


class StepOptions(TypedDict, total=False):
    """What every kind of step can be told. `condition` is the document's `if`."""

    needs: StepRef | str | Sequence[StepRef | str]
    condition: Ref | str | bool
    when: str
    for_each: Value
    parallel: int
    connection: str
    queue: str
    retry: Retry
    timeout: Length


class StepTwice(ValueError):
    """A step of that id exists already."""


def expr(source: str) -> Ref:
    """This will wrap a CEL source: `expr("input.total > 0")`."""
    return Ref(source)


class Flow:
    """Collects the steps of one workflow; `steps` and `result` are as they stand in the document."""

    def __init__(self) -> None:
        self.steps: dict[str, JsonObject] = {}
        self.result: JsonValue = None
        self._upstream: dict[str, frozenset[str]] = {}

    def python(
        self,
        call: Callable[..., object] | str,
        step_id: str,
        *,
        args: Value = None,
        **options: Unpack[StepOptions],
    ) -> StepRef:
        """This will add a call of a registered function, given itself or by its name."""
        name = call if isinstance(call, str) else registry.name_of(call)
        inputs: dict[str, Value] = {"call": name}
        if args is not None:
            inputs["args"] = args
        return self.step(step_id, uses="python", inputs=inputs, **options)

    def http(
        self,
        step_id: str,
        *,
        method: str,
        path: Value = None,
        url: Value = None,
        headers: Value = None,
        query: Value = None,
        json: Value = None,
        body: Value = None,
        expect_status: Value = None,
        idempotency: str | None = None,
        **options: Unpack[StepOptions],
    ) -> StepRef:
        """This will add an HTTP request; what is None is left out (a JSON null is `expr("null")`)."""
        given = {
            "method": method,
            "path": path,
            "url": url,
            "headers": headers,
            "query": query,
            "json": json,
            "body": body,
            "expect_status": expect_status,
            "idempotency": idempotency,
        }
        inputs = {key: value for key, value in given.items() if value is not None}
        return self.step(step_id, uses="http.request", inputs=inputs, **options)

    def set(self, step_id: str, values: Mapping[str, Value], **options: Unpack[StepOptions]) -> StepRef:
        """This will add a step that computes values."""
        return self.step(step_id, uses="set", inputs=values, **options)

    def step(
        self,
        step_id: str,
        *,
        uses: str,
        inputs: Mapping[str, Value] | None = None,
        **options: Unpack[StepOptions],
    ) -> StepRef:
        """This will add a step of any kind, also of adapters this module does not know. Raises StepTwice."""
        if step_id in self.steps:
            raise StepTwice(f"there is a step {step_id!r} already: ids are unique in a workflow")
        step: dict[str, JsonValue] = {"uses": uses}
        if inputs is not None:
            step["with"] = rendered(inputs)
        if "condition" in options:
            step["if"] = rendered(options["condition"])
        for key, value in options.items():
            if key not in ("needs", "condition"):
                step[key] = rendered(value)
        needs = self._needs(step, explicit=_ids(options.get("needs", ())))
        if needs:
            step["needs"] = needs[0] if len(needs) == 1 else needs
        self.steps[step_id] = step
        self._upstream[step_id] = self._behind(needs).union(needs)
        return StepRef(step_id)

    def output(self, value: Value) -> None:
        """This will set the output of the run."""
        self.result = rendered(value)

    def _needs(self, step: JsonObject, *, explicit: list[str]) -> list[str]:
        """This will add the steps that expressions look at, unless another need waits for them anyway."""
        named = [need for need in _named(step) if need not in explicit]
        covered = self._behind([*explicit, *named])
        return [*explicit, *(need for need in named if need not in covered)]

    def _behind(self, needs: Iterable[str]) -> frozenset[str]:
        return frozenset().union(*(self._upstream.get(need, frozenset()) for need in needs))


@dataclass(frozen=True)
class DeclaredWorkflow:
    """A workflow declared in Python; `origin` says where."""

    name: str
    origin: str
    write: Callable[[Flow, Ref], None]
    head: JsonObject

    @cached_property
    def document(self) -> JsonObject:
        """This will run the function once and give the definition document, not validated yet."""
        flow = Flow()
        self.write(flow, Ref("input"))
        document = {**self.head, "steps": flow.steps}
        return document if flow.result is None else {**document, "output": flow.result}


class WorkflowTwice(ValueError):
    """Two workflows of the same name are declared."""


_declared: dict[str, DeclaredWorkflow] = {}


def workflow(
    *,
    name: str,
    input: type | JsonObject | None = None,  # noqa: A002  # the word of the document
    description: str | None = None,
    deadline: Length | None = None,
    fairness: Fairness | None = None,
    defaults: Defaults | None = None,
) -> Callable[[Callable[[Flow, Ref], None]], DeclaredWorkflow]:
    """This will declare a workflow; `input` is a TypedDict, a dataclass or a JSON Schema.

    Without a `description` the first line of the docstring is taken. Raises WorkflowTwice.
    """

    def declare(write: Callable[[Flow, Ref], None]) -> DeclaredWorkflow:
        text = description if description is not None else (inspect.getdoc(write) or "").partition("\n")[0]
        given = {
            "name": name,
            "description": text or None,
            "input": input if input is None or isinstance(input, Mapping) else schema_of(input),
            "deadline": deadline,
            "fairness": rendered(fairness),
            "defaults": rendered(defaults),
        }
        head = {key: value for key, value in given.items() if value is not None}
        origin = f"{write.__module__}.{write.__qualname__}"
        return _declare(DeclaredWorkflow(name=name, origin=origin, write=write, head=head))

    return declare


def workflows() -> tuple[DeclaredWorkflow, ...]:
    """This will give every declared workflow by name; `registry.discover` finds them."""
    return tuple(_declared[name] for name in sorted(_declared))


def _declare(declared: DeclaredWorkflow) -> DeclaredWorkflow:
    before = _declared.get(declared.name)
    if before is not None and before.origin != declared.origin:
        raise WorkflowTwice(
            f"workflow {declared.name!r} is declared twice: in {before.origin} and in {declared.origin}"
        )
    _declared[declared.name] = declared
    return declared


def _ids(needs: StepRef | str | Sequence[StepRef | str]) -> list[str]:
    wanted = [needs] if isinstance(needs, StepRef | str) else needs
    return list(dict.fromkeys(need.id if isinstance(need, StepRef) else need for need in wanted))


def _named(step: JsonObject) -> list[str]:
    """This will find the steps named in templates, and in an `if` or `for_each` written without `${{ }}`."""
    sources = [
        f"${{{{ {expression_source(value)} }}}}"
        for key in ("if", "for_each")
        if isinstance(value := step.get(key), str)
    ]
    return steps_named([step.get("with"), step.get("for_each"), *sources])
