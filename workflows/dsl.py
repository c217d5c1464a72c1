"""Workflows written in typed Python: what comes out is the same document as from YAML; nothing is executed.

    @workflow(name="order-to-cash", input=OrderInput, deadline="2h")
    def order_to_cash(flow: Flow, input: Ref) -> None:
        charge = flow.http("charge", connection="payments", method="POST", path="/charges",
                           json={"amount": input.total})
        flow.python(book_line, "lines", needs=charge, for_each=input.lines, parallel=20, args={"line": item})
        flow.output({"charge": charge.output.id})

A step waits for every step whose result it looks at, and for the ones in `needs`. A function that a step calls may
return `Grow(steps=flow.steps)`: further steps of its run, written with a `Flow` of their own.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

from workflows import registry
from workflows.asking_options import Approval, Task
from workflows.core import subworkflow
from workflows.core.building import expression_source
from workflows.core.definition import RETURN, JsonObject, JsonValue
from workflows.core.growth import Grow
from workflows.core.references import Ref, StepRef, rendered, steps_named
from workflows.flow_options import (
    Batch,
    Cancel,
    Concurrency,
    Deadline,
    Debounce,
    Defaults,
    EventWanted,
    Fairness,
    Length,
    On,
    RateLimit,
    RepeatUntil,
    Retry,
    Singleton,
    Throttle,
    Timeout,
)
from workflows.hints import schema_of

__all__ = [
    "Flow",
    "Grow",
    "Ref",
    "StepRef",
    "expr",
    "index",
    "item",
    "run",
    "undo",
    "undo_python",
    "workflow",
    "workflows",
]

Value: TypeAlias = Any  # Any: JSON in which any value may be a Ref
item = Ref("item")
"""The item a `for_each` step works on."""
index = Ref("index")
"""Its place in the list, from 0."""
run = Ref("run")
"""The run: `id`, `workflow`, `version`, `correlation_id`, `started_at`."""


class FlowOptions(TypedDict, total=False):
    """When runs begin; see "Schedules" and "When runs begin" in the definition format."""

    on: On
    rate_limit: RateLimit
    batch: Batch
    debounce: Debounce
    singleton: Singleton
    throttle: Throttle
    concurrency: Concurrency | Sequence[Concurrency]


class StepOptions(TypedDict, total=False):
    """What every kind of step can be told. `condition` is the document's `if`."""

    needs: StepRef | str | Sequence[StepRef | str]
    condition: Ref | str | bool
    when: str
    for_each: Value
    parallel: int
    on_failure: Literal["fail_fast", "collect"] | Mapping[str, int | str]
    repeat_until: RepeatUntil
    connection: str
    limits: Sequence[str]
    queue: str
    retry: Retry
    timeout: Length | Timeout
    undo: JsonObject
    undo_when: Literal["completed", "attempted"]


class UndoOptions(TypedDict, total=False):
    """What an undo can be told; see the definition format."""

    connection: str
    queue: str
    retry: Retry
    timeout: Length | Timeout


class StepTwice(ValueError):
    """A step of that id exists already."""


def expr(source: str) -> Ref:
    """This will wrap a CEL source: `expr("input.total > 0")`."""
    return Ref(source)


def undo_python(call: Callable[..., object] | str, *, args: Value = None, **options: Unpack[UndoOptions]) -> JsonObject:
    """This will be the undo of a step: a call of a registered function, given itself or by its name."""
    inputs = {"call": call if isinstance(call, str) else registry.name_of(call)}
    return undo("python", inputs if args is None else {**inputs, "args": args}, **options)


def undo(uses: str, inputs: Mapping[str, Value] | None = None, **options: Unpack[UndoOptions]) -> JsonObject:
    """This will be the undo of a step by any adapter; `inputs` may refer to `input`, the step and earlier ones."""
    given = {} if inputs is None else {"with": rendered(inputs)}
    return {"uses": uses, **given, **{key: rendered(value) for key, value in options.items()}}


class Flow:
    """Collects the steps of one workflow; `steps` and `result` are as they stand in the document.

    `at_end` collects the `finally` steps in the same way: `flow.at_end.python(release, "release")`.
    """

    def __init__(self, *, main: "Flow | None" = None) -> None:
        self.steps: dict[str, JsonObject] = {}
        self.result: JsonValue = None
        self._upstream: dict[str, frozenset[str]] = {}
        self._main = main

    @cached_property
    def at_end(self) -> "Flow":
        """This will be the `finally` steps: they wait for each other only, and look at all steps and `run.ending`."""
        return Flow(main=self)

    def end_early(self, step_id: str, output: Mapping[str, Value], **options: Unpack[StepOptions]) -> StepRef:
        """This will add a step that ends the run as succeeded, with this output: `return`."""
        return self.step(step_id, uses=RETURN, inputs=output, **options)

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
        rate_key: Value = None,
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
            "rate_key": rate_key,
        }
        inputs = {key: value for key, value in given.items() if value is not None}
        return self.step(step_id, uses="http.request", inputs=inputs, **options)

    def set(self, step_id: str, values: Mapping[str, Value], **options: Unpack[StepOptions]) -> StepRef:
        """This will add a step that computes values."""
        return self.step(step_id, uses="set", inputs=values, **options)

    def wait(
        self,
        step_id: str,
        *,
        length: Value = None,
        until: Value = None,
        event: EventWanted | None = None,
        on_timeout: Literal["fail", "continue"] | None = None,
        **options: Unpack[StepOptions],
    ) -> StepRef:
        """This will add a wait for an event, for a length of time (the document's `for`), or until an instant.

        With an event the time is the longest it waits, and `on_timeout` says what becomes of it then.
        """
        given = {"event": event, "for": length, "until": until, "on_timeout": on_timeout}
        return self.step(
            step_id, uses="wait", inputs={key: value for key, value in given.items() if value is not None}, **options
        )

    def workflow(
        self,
        name: "DeclaredWorkflow | str",
        step_id: str,
        *,
        value: Value = None,
        version: int | None = None,
        mode: Literal["wait", "detach"] | None = None,
        on_parent_end: Literal["cancel", "request", "abandon"] | None = None,
        **options: Unpack[StepOptions],
    ) -> StepRef:
        """This will add a run of another workflow, given itself or by its name; `value` is its input."""
        given = {"version": version, "input": value, "mode": mode, "on_parent_end": on_parent_end}
        inputs: dict[str, Value] = {"name": name if isinstance(name, str) else name.name}
        inputs |= {key: one for key, one in given.items() if one is not None}
        return self.step(step_id, uses=subworkflow.USES, inputs=inputs, **options)

    def approval(self, step_id: str, asking: Approval, **options: Unpack[StepOptions]) -> StepRef:
        """This will add an approval: who is asked for what, and until when."""
        return self.step(step_id, uses="approval", inputs=asking, **options)

    def task(self, step_id: str, asking: Task, **options: Unpack[StepOptions]) -> StepRef:
        """This will add a manual task: who is asked to do what, and until when."""
        return self.step(step_id, uses="task", inputs=asking, **options)

    def switch(
        self,
        step_id: str,
        *,
        value: Value = None,
        cases: Mapping[str, Sequence[str] | str] | None = None,
        conditions: Sequence[tuple[Ref | str | bool, Sequence[str] | str]] | None = None,
        default: Sequence[str] | str | None = None,
        **options: Unpack[StepOptions],
    ) -> StepRef:
        """This will add a choice among steps that need it, by their ids: by a value, or by the first true condition."""
        inputs: dict[str, Value] = {} if cases is None else {"value": value, "cases": cases}
        if conditions is not None:
            inputs["conditions"] = [{"if": condition, "then": then} for condition, then in conditions]
        if default is not None:
            inputs["default"] = default
        return self.step(step_id, uses="switch", inputs=inputs, **options)

    def step(
        self,
        step_id: str,
        *,
        uses: str,
        inputs: Mapping[str, Value] | None = None,
        **options: Unpack[StepOptions],
    ) -> StepRef:
        """This will add a step of any kind, also of adapters this module does not know. Raises StepTwice."""
        if step_id in self.steps or (self._main is not None and step_id in self._main.steps):
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
        if self._main is not None:  # main steps have ended when these begin
            named = [need for need in named if need in self.steps]
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
        if flow.at_end.steps:
            document["finally"] = flow.at_end.steps
        return document if flow.result is None else {**document, "output": flow.result}


class WorkflowTwice(ValueError):
    """Two workflows of the same name are declared."""


_declared: dict[str, DeclaredWorkflow] = {}


def workflow(
    *,
    name: str,
    input: type | JsonObject | None = None,  # noqa: A002  # the word of the document
    description: str | None = None,
    deadline: Length | Deadline | None = None,
    undo: Literal["automatic", "on_demand"] | None = None,
    cancel: Cancel | None = None,
    fairness: Fairness | None = None,
    defaults: Defaults | None = None,
    **flow: Unpack[FlowOptions],
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
            "deadline": rendered(deadline),
            "undo": undo,
            "cancel": rendered(cancel),
            "fairness": rendered(fairness),
            "defaults": rendered(defaults),
            **{key: rendered(value) for key, value in flow.items()},
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
