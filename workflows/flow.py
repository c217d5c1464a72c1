"""The flow control of a version, ready to use: which gates a start has to pass, given its input; it locks none."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from workflows import expressions
from workflows.core.flow_control import Batch, Debounce, FlowControl, GateKind, Overflow, RateRule, SlotRule
from workflows.core.problems import Problem, path_to
from workflows.core.templates import Context, written
from workflows.expressions import CompiledValue, ExpressionFailed, Scope

KEY_CHARS = 300
"""So much of a key is kept to be shown; the gate itself is found by the whole of it."""
_NO_STEPS = Scope(steps=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class GateKey:
    """A gate: one rule of one workflow for one key. Gates are locked in the order of their ids.

    An id begins with its kind, so that this order is the one in which rules are applied.
    """

    id: UUID
    kind: GateKind
    key: str
    limit: int = 1
    overflow: Overflow = Overflow.QUEUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """The gates of one start, by kind; None where the definition has no such rule."""

    rate_limit: GateKey | None
    batch: GateKey | None
    debounce: GateKey | None
    singleton: GateKey | None
    throttle: GateKey | None
    concurrency: tuple[GateKey, ...]

    @property
    def every(self) -> tuple[GateKey, ...]:
        """This will give all gates that there are, in their order."""
        singles = (self.rate_limit, self.batch, self.debounce, self.singleton, self.throttle)
        return (*(key for key in singles if key is not None), *self.concurrency)


NO_GATES = Gates(rate_limit=None, batch=None, debounce=None, singleton=None, throttle=None, concurrency=())
"""Those of a version without flow control."""


class KeyFailed(Exception):
    """The key of a rule cannot be computed from an input; `problems` say which."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class _Key:
    """The key of one rule, compiled. `seed` tells rules of different workflows and sources apart."""

    kind: GateKind
    path: str
    seed: str
    value: CompiledValue
    rule: SlotRule | None

    def gate(self, context: Context) -> GateKey:
        """This will give the gate for one input. Raises ExpressionFailed."""
        key = written(self.value.evaluate(context))
        digest = hashlib.sha256(f"{self.seed}\0{key}".encode()).digest()
        return GateKey(
            id=UUID(bytes=bytes([self.kind]) + digest[:15]),
            kind=self.kind,
            key=key[:KEY_CHARS].replace("\0", " "),
            limit=1 if self.rule is None else self.rule.limit,
            overflow=Overflow.QUEUE if self.rule is None else self.rule.overflow,
        )


@dataclass(frozen=True)
class FlowProgram:
    """The rules of a version with their keys compiled."""

    control: FlowControl
    keys: tuple[_Key, ...]

    @property
    def takes_slots(self) -> bool:
        """This will tell whether its runs hold slots until they end."""
        return self.control.singleton is not None or bool(self.control.concurrency)

    def gates(self, context: Context) -> Gates:
        """This will compute the gates of a start. Raises KeyFailed with every key that cannot be computed."""
        found: dict[GateKind, list[GateKey]] = {kind: [] for kind in GateKind}
        problems: list[Problem] = []
        for key in self.keys:
            try:
                found[key.kind].append(key.gate(context))
            except ExpressionFailed as error:
                hint = "send an input that has it, or let the key do without"
                problems.append(Problem(f"{key.path}.key", f"cannot be computed from this input: {error}", hint))
        if problems:
            raise KeyFailed(tuple(problems))
        return Gates(
            rate_limit=_only(found[GateKind.RATE_LIMIT]),
            batch=_only(found[GateKind.BATCH]),
            debounce=_only(found[GateKind.DEBOUNCE]),
            singleton=_only(found[GateKind.SINGLETON]),
            throttle=_only(found[GateKind.THROTTLE]),
            concurrency=tuple(found[GateKind.CONCURRENCY]),
        )


def compile_flow(control: FlowControl | None, *, workflow: str, version: int) -> FlowProgram | None:
    """This will compile the keys of a version's rules; None: its runs begin at once.

    The gates of slots and rates are those of the workflow, whatever its version; what gathers starts into one run
    does so within a version.
    """
    if control is None:
        return None
    keys = tuple(
        _Key(
            kind=kind,
            path=path,
            seed=f"{workflow}\0{kind}\0{rule.key}\0{version if kind in (GateKind.BATCH, GateKind.DEBOUNCE) else 0}",
            value=expressions.compile_value(rule.key, scope=_NO_STEPS),
            rule=rule if isinstance(rule, SlotRule) else None,
        )
        for kind, path, rule in _rules(control)
    )
    return FlowProgram(control, keys)


def context_of(*, run: Mapping[str, object], value: object) -> Context:
    """This will give what keys can see: the input, and the fields of the run as far as they are known."""
    return {"input": value, "run": run}  # type: ignore[dict-item]  # JSON, as the caller has it


def _rules(control: FlowControl) -> Iterator[tuple[GateKind, str, RateRule | Batch | Debounce | SlotRule]]:
    singles = (
        (GateKind.RATE_LIMIT, control.rate_limit),
        (GateKind.BATCH, control.batch),
        (GateKind.DEBOUNCE, control.debounce),
        (GateKind.SINGLETON, control.singleton),
        (GateKind.THROTTLE, control.throttle),
    )
    for kind, rule in singles:
        if rule is not None:
            yield kind, f"$.{kind.word}", rule
    for index, slot_rule in enumerate(control.concurrency):
        path = "$.concurrency" if len(control.concurrency) == 1 else path_to("$.concurrency", index)
        yield GateKind.CONCURRENCY, path, slot_rule


def _only(gates: list[GateKey]) -> GateKey | None:
    return gates[0] if gates else None
