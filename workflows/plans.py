"""Plans ready to execute, compiled once per process and version; it never changes anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from workflows import expressions, validation
from workflows.core.definition import JsonValue, StepDefinition
from workflows.core.plan import Plan, restore_plan
from workflows.core.problems import Problem
from workflows.core.states import FailureKind
from workflows.models import WorkflowVersion
from workflows.schema import Schema


def is_inside(uses: str) -> bool:
    """This will tell whether a kind of step is performed by the worker itself, without an adapter."""
    return uses in ("set", "python")


@dataclass(frozen=True)
class StepProgram:
    """A step with its expressions compiled."""

    step: StepDefinition
    condition: expressions.CompiledValue | None
    inputs: expressions.CompiledValue
    for_each: expressions.CompiledValue | None

    @cached_property
    def references(self) -> frozenset[str]:
        """This will give the steps whose results the expressions look at."""
        parts = (self.condition, self.inputs, self.for_each)
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

    def program_at(self, *, segment: int, position: int) -> StepProgram:
        """This will give the compiled step at a place of the plan."""
        return self.steps[self.plan.segments[segment].steps[position]]

    def input_problems(self, value: JsonValue, *, prefix: str) -> Sequence[Problem]:
        """This will check a run's input against the workflow's schema; `prefix` begins each path."""
        return () if self.input_schema is None else self.input_schema.problems(value, at=prefix)

    def goes_alone(self, segment: int) -> bool:
        """This will tell whether a segment shares no wake-up with others.

        It may take long (it calls other systems, or works on items), or has a step that a loss would end for good:
        when a worker dies, nobody knows which of the segments in its hands had begun.
        """
        part = self.plan.segments[segment]
        return part.is_map or not all(_may_be_lost(self.steps[step].step) for step in part.steps)

    def references_from(self, *, segment: int, position: int) -> frozenset[str]:
        """This will give the earlier steps whose results the rest of a segment looks at."""
        rest = self.plan.segments[segment].steps[position:]
        wanted = frozenset().union(*(self.steps[step].references for step in rest))
        return wanted - frozenset(rest)


def _may_be_lost(step: StepDefinition) -> bool:
    return is_inside(step.uses) and step.retry.attempts > 1 and FailureKind.LOST in step.retry.on


@lru_cache(maxsize=512)
def program_of(version_id: int) -> Program:
    """This will load and compile a version; versions are immutable, so it is done once. May raise DoesNotExist."""
    version = WorkflowVersion.objects.select_related("workflow").get(id=version_id)
    definition = validation.restore_definition(version.document)
    plan = restore_plan(definition, document=version.plan)
    return Program(
        version_id=version.id,
        number=version.number,
        workflow_name=version.workflow.name,
        plan=plan,
        steps={step.id: _program(plan, step) for step in definition.steps},
        output=_output(plan),
        input_schema=None if definition.input_schema is None else Schema(definition.input_schema),
        fairness_key=_fairness_key(plan),
    )


def _program(plan: Plan, step: StepDefinition) -> StepProgram:
    upstream = plan.graph.upstream(step.id)
    outer = expressions.Scope(steps=upstream, has_item=False)
    inner = expressions.Scope(steps=upstream, has_item=step.for_each is not None)
    return StepProgram(
        step=step,
        condition=_condition(step.condition, scope=outer),
        inputs=expressions.compile_value(step.inputs, scope=inner),
        for_each=_items(step, scope=outer),
    )


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
    scope = expressions.Scope(steps=frozenset(plan.graph.steps), has_item=False)
    return expressions.compile_value(plan.definition.output, scope=scope)


def _fairness_key(plan: Plan) -> expressions.CompiledValue | None:
    if plan.definition.fairness_key is None:
        return None
    return expressions.compile_value(plan.definition.fairness_key, scope=expressions.Scope(steps=frozenset()))
