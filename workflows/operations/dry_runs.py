"""Prepares dry runs: checks what their steps are answered with, and takes what an earlier run has recorded."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast
from uuid import UUID

import orjson

from workflows import registry
from workflows.core import pins as rules
from workflows.core import switching
from workflows.core.definition import RETURN, JsonObject, StepDefinition
from workflows.core.problems import Problem, path_to, suggestion
from workflows.core.states import ItemState, StepState
from workflows.core.storable import holds_nul
from workflows.errors import InputInvalid, UnknownRun
from workflows.models import DryRun, Item, Run, Step
from workflows.plans import Program
from workflows.schema import Schema

DRY_RUN = "dry_run"
MAX_BYTES = 5_000_000
_MAX_ITEMS = 10_000
_AT = "$.pins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dry:
    """Starts a run with no effect outside. `pins`: see `workflows/core/pins.py`; `of`: whose outputs fill the gaps."""

    pins: JsonObject = field(default_factory=dict)
    of: UUID | None = None


def check(dry: Dry, *, program: Program) -> JsonObject:
    """This will give the pins of a run, with what an earlier run recorded. Raises InputInvalid, UnknownRun."""
    problems = _schema().problems(dry.pins, at=_AT)
    if problems:
        raise InputInvalid(problems)
    known = frozenset(program.plan.graph.steps)
    unknown = [
        Problem(path_to(_AT, "steps", step), f"there is no step {step!r}", suggestion(step, known=known, noun="step"))
        for step in rules.unknown_steps(dry.pins, known=known)
    ]
    if unknown:
        raise InputInvalid(unknown)
    pins = dry.pins
    if dry.of is not None:
        outside = [step.id for step in program.plan.graph.steps.values() if not _computes(step)]
        pins = rules.with_recorded(pins, recorded=_recorded(dry.of, steps=outside))
    text = orjson.dumps(pins)
    if len(text) > MAX_BYTES or holds_nul(text):
        message = f"the pins must be JSON of at most {MAX_BYTES} bytes, without a NUL character: these are {len(text)}"
        raise InputInvalid([Problem(_AT, message)])
    return pins


def keep(run_ids: Sequence[UUID], *, pins: JsonObject, of: UUID | None) -> None:
    """This will store the pins of runs that have just begun, inside the open transaction."""
    DryRun.objects.bulk_create(DryRun(run_id=run_id, pins=dict(pins), of_run_id=of) for run_id in run_ids)


@lru_cache(maxsize=64)
def pins_of(run_id: UUID) -> JsonObject:
    """This will read what the steps of a dry run are answered with; it never changes."""
    return cast(JsonObject, DryRun.objects.values_list("pins", flat=True).get(run_id=run_id))


def _computes(step: StepDefinition) -> bool:
    """What only computes does so again, on what the dry run gives it."""
    if step.uses == "python":
        return registry.is_pure(str(step.inputs.get("call")))
    return step.uses in ("set", switching.USES, RETURN)


def _recorded(of: UUID, *, steps: Collection[str]) -> Mapping[str, JsonObject]:
    """The outputs of those steps of a run that have succeeded."""
    if not Run.objects.filter(id=of).exists():
        raise UnknownRun(of)
    rows = Step.objects.filter(run_id=of, step__in=steps, state=StepState.SUCCEEDED)
    found: dict[str, JsonObject] = {step: {"output": output} for step, output in rows.values_list("step", "output")}
    items = Item.objects.filter(run_id=of, step__in=found, state=ItemState.SUCCEEDED).order_by("step", "index")
    outputs: dict[str, list[object]] = {}
    for step, index, output in items.values_list("step", "index", "output")[:_MAX_ITEMS]:
        given = outputs.setdefault(step, [])
        given.extend([None] * (index - len(given)))
        given.append(output)
    return {**found, **{step: cast(JsonObject, {"items": given}) for step, given in outputs.items()}}


@lru_cache(maxsize=1)
def _schema() -> Schema:
    return Schema(rules.SCHEMA)
