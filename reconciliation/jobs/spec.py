"""What a job means: sources, key, fields, time, rules as values; it reads nothing from anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciliation.core.compare import Field
from reconciliation.core.rules import Rule
from reconciliation.core.window import Clock, Window
from workflows.core.definition import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """Where the records of one side come from: the kind of source, and what that kind takes."""

    name: str
    kind: str
    options: JsonObject
    where: str = ""
    is_sorted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SideSpec:
    """One side of a job: its source, and which of its columns mean what.

    `columns` has for each field the columns of its value: one, or amount and currency. `show` are kept as evidence.
    """

    source: SourceSpec
    key: Sequence[str]
    columns: Sequence[tuple[str, ...]]
    time: str = ""
    trace: str = ""
    show: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRule:
    """Which time is judged: from `length` before the end, which is `lag` before now, read with a margin."""

    length: timedelta
    lag: timedelta = timedelta()
    margin: timedelta = timedelta()

    def at(self, now: datetime) -> Window:
        """This will give the window of a comparison that begins now."""
        ends_at = now - self.lag
        return Window(begins_at=ends_at - self.length, ends_at=ends_at, margin=self.margin)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRule:
    """A rule and how it repairs. `step` is a step of a workflow, None: the rule only says which side is right.

    `digest` changes with anything the rule says. `asked` is the `with` of the approval.
    """

    rule: Rule
    digest: str
    step: JsonObject | None = None
    asked: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """A job as a comparison uses it."""

    name: str
    left: SideSpec
    right: SideSpec
    fields: Sequence[Field]
    key_names: Sequence[str]
    clock: Clock | None = None
    window: WindowRule | None = None
    grace: timedelta = timedelta()
    amount: str = ""
    redact: frozenset[str] = frozenset()
    most_variances: int = 100_000
    rules: Sequence[RepairRule] = ()
    schedule: JsonObject | None = None
    description: str = ""
    document: Mapping[str, object] = field(default_factory=dict)

    def rule(self, name: str) -> RepairRule | None:
        """This will find a rule by its name."""
        return next((one for one in self.rules if one.rule.name == name), None)
