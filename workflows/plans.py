"""Plans ready to execute, compiled once per process and version; it never changes anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import assert_never

from django.db.models import Max

from workflows import event_matching, expressions, validation
from workflows.core import switching
from workflows.core.definition import RETURN, JsonObject, JsonValue, StepDefinition
from workflows.core.plan import Plan, SegmentDocument, restore_plan
from workflows.core.problems import Problem
from workflows.core.states import FailureKind, Phase
from workflows.core.waiting_kinds import WAITING_KINDS
from workflows.errors import UnknownVersion
from workflows.flow import FlowProgram, compile_flow
from workflows.models import Activation, GrownPlan, WorkflowVersion
from workflows.schema import Schema
from workflows.switch_validation import compile_switch


def is_inside(uses: str) -> bool:
    """This will tell whether a kind of step is performed by the worker itself, without an adapter."""
    return uses in ("set", "python", switching.USES, RETURN) or uses in WAITING_KINDS


@dataclass(frozen=True)
class StepProgram:
    """A step with its expressions compiled."""

    step: StepDefinition
    condition: expressions.CompiledValue | None
    inputs: expressions.CompiledValue
    for_each: expressions.CompiledValue | None
    repeat_until: expressions.CompiledValue | None = None

    @cached_property
    def references(self) -> frozenset[str]:
        """This will give the steps whose results the expressions look at."""
        parts = (self.condition, self.inputs, self.for_each, self.repeat_until)
        return frozenset().union(*(part.references for part in parts if part is not None))


@dataclass(frozen=True)
class Program:
    """A version ready to execute."""

    version_id: int
    number: int
    workflow_name: str
    plan: Plan
    steps: Mapping[str, StepProgram]
    output: expressions.CompiledValue | None
    input_schema: Schema | None
    fairness_key: expressions.CompiledValue | None
    flow: FlowProgram | None = None

    @property
    def takes_slots(self) -> bool:
        """This will tell whether its runs hold slots, which their ends must free."""
        return self.flow is not None and self.flow.takes_slots

    @cached_property
    def subjects(self) -> Mapping[str, Sequence[str]]:
        """This will give the steps that keep rows of their own while they wait, by their kind."""
        found: dict[str, list[str]] = {}
        for step_id, program in self.steps.items():
            kind = WAITING_KINDS.get(program.step.uses)
            if kind is not None and kind.keeps_rows(program.step.inputs):
                found.setdefault(program.step.uses, []).append(step_id)
        return found

    def program_at(self, *, segment: int, position: int) -> StepProgram:
        """This will give the compiled step at a place of the plan."""
        return self.steps[self.plan.segments[segment].steps[position]]

    def input_problems(self, value: JsonValue, *, prefix: str) -> Sequence[Problem]:
        """This will check a run's input against the workflow's schema; `prefix` begins each path."""
        return () if self.input_schema is None else self.input_schema.problems(value, at=prefix)

    def goes_alone(self, segment: int) -> bool:
        """This will tell whether a segment shares no wake-up with others.

        It may take long (it calls other systems, works on items or waits for a slot), or has a step that a loss
        would end for good: when a worker dies, nobody knows which of the segments in its hands had begun.
        """
        part = self.plan.segments[segment]
        return part.is_map or bool(part.limits) or not all(_may_be_lost(self.steps[step].step) for step in part.steps)

    def references_from(self, *, segment: int, position: int) -> frozenset[str]:
        """This will give the earlier steps whose results the rest of a segment looks at."""
        rest = self.plan.segments[segment].steps[position:]
        wanted = frozenset().union(*(self.steps[step].references for step in rest))
        return wanted - frozenset(rest)


def _may_be_lost(step: StepDefinition) -> bool:
    return is_inside(step.uses) and step.retry.attempts > 1 and FailureKind.LOST in step.retry.on


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a program is made of. `published_id`, `number`: the version its run was started on.

    `grown_number` counts how often the run has grown.
    """

    published_id: int
    number: int
    workflow_id: int
    workflow_name: str
    document: JsonObject
    plan: Sequence[SegmentDocument]
    grown: Mapping[str, Sequence[str]]
    grown_number: int


def grown_version(grown_id: int) -> int:
    """This will give the number that stands for a grown plan where else the id of a version stands."""
    return -grown_id


def source_of(version_id: int) -> Source:
    """This will read a version, or (below zero) the plan that a run has grown. May raise DoesNotExist."""
    own = None if version_id > 0 else GrownPlan.objects.get(id=-version_id)
    version = (
        WorkflowVersion.objects.select_related("workflow")
        .defer("source")
        .get(id=version_id if own is None else own.version_id)
    )
    return Source(
        published_id=version.id,
        number=version.number,
        workflow_id=version.workflow_id,
        workflow_name=version.workflow.name,
        document=version.document if own is None else own.document,
        plan=version.plan if own is None else own.plan,
        grown={} if own is None else own.grown,
        grown_number=0 if own is None else own.number,
    )


def version_id(*, workflow: str, number: int) -> int:
    """This will find a version by its number. Raises UnknownVersion."""
    versions = WorkflowVersion.objects.filter(workflow__name=workflow)
    found = versions.filter(number=number).values_list("id", flat=True).first()
    if found is None:
        latest = versions.aggregate(latest=Max("number"))["latest"]
        raise UnknownVersion(workflow=workflow, number=number, latest=latest or 0)
    return found


@lru_cache(maxsize=512)
def program_of(version_id: int) -> Program:
    """This will load and compile a version; versions are immutable, so it is done once. May raise DoesNotExist.

    A run that has grown is executed by `Run.program_id`, which is below zero and stands for its own plan.
    """
    version = source_of(version_id)
    definition = validation.restore_definition(version.document)
    plan = restore_plan(definition, document=version.plan, grown=version.grown)
    return Program(
        version_id=version_id,
        number=version.number,
        workflow_name=version.workflow_name,
        plan=plan,
        steps={step.id: _program(plan, step) for step in definition.all_steps},
        output=_output(plan),
        input_schema=None if definition.input_schema is None else Schema(definition.input_schema),
        fairness_key=_fairness_key(plan),
        flow=compile_flow(definition.flow, workflow=version.workflow_name, version=version.number),
    )


def step_of(activation: Activation) -> StepDefinition:
    """This will give the step an activation stands at, by its own plan: its run may have been moved meanwhile."""
    return program_of(activation.version_id).plan.step_at(segment=activation.segment, position=activation.position)


def _program(plan: Plan, step: StepDefinition) -> StepProgram:
    is_closing = step.phase is not Phase.MAIN
    upstream = _visible(plan, step)
    outer = expressions.Scope(steps=upstream, has_item=False, is_closing=is_closing)
    inner = expressions.Scope(steps=upstream, has_item=step.for_each is not None, is_closing=is_closing)
    return StepProgram(
        step=step,
        condition=_condition(step.condition, scope=outer),
        inputs=_inputs(step, scope=inner),
        for_each=_items(step, scope=outer),
        repeat_until=_condition(
            None if step.repeat_until is None else step.repeat_until.condition, scope=replace(inner, has_output=True)
        ),
    )


def _visible(plan: Plan, step: StepDefinition) -> frozenset[str]:
    """The steps whose results an expression may look at: an undo sees its step, `finally` sees the whole main part."""
    match step.phase:
        case Phase.MAIN:
            return plan.graph.upstream(step.id)
        case Phase.UNDO:
            assert step.undoes is not None, "every undo is of a step"
            return plan.graph.upstream(step.undoes) | {step.undoes}
        case Phase.FINALLY:
            return plan.graph.upstream(step.id) | frozenset(plan.main)
        case _:
            assert_never(step.phase)


def _inputs(step: StepDefinition, *, scope: expressions.Scope) -> expressions.CompiledValue:
    if step.uses == switching.USES:
        return compile_switch(step.inputs, scope=scope)
    if event_matching.match_of(step.inputs, uses=step.uses) is not None:
        return event_matching.compile_wait(step.inputs, scope=scope)
    return expressions.compile_value(step.inputs, scope=scope)


def _condition(source: str | None, *, scope: expressions.Scope) -> expressions.CompiledValue | None:
    return None if source is None else expressions.compile_condition(source, scope=scope)


def _items(step: StepDefinition, *, scope: expressions.Scope) -> expressions.CompiledValue | None:
    if step.for_each is None:
        return None
    if isinstance(step.for_each, str):
        return expressions.compile_expression(step.for_each, scope=scope)
    return expressions.compile_value(step.for_each, scope=scope)


def _output(plan: Plan) -> expressions.CompiledValue | None:
    if plan.definition.output is None:
        return None
    scope = expressions.Scope(steps=frozenset(plan.main), has_item=False)
    return expressions.compile_value(plan.definition.output, scope=scope)


def _fairness_key(plan: Plan) -> expressions.CompiledValue | None:
    if plan.definition.fairness_key is None:
        return None
    return expressions.compile_value(plan.definition.fairness_key, scope=expressions.Scope(steps=frozenset()))
