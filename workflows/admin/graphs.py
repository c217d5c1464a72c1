"""Turns definitions and runs into boxes for the drawing; it reads nothing from the database."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString

from workflows import drawing, timeline
from workflows.core.definition import StepDefinition
from workflows.core.plan import Plan
from workflows.core.states import JoinRule, Phase
from workflows.drawing import Node
from workflows.templatetags.workflow_display import span, words
from workflows.timeline import StepStory, Story


class _Drawn:
    """Markup that the drawing has escaped itself."""

    def __init__(self, svg: str) -> None:
        self._svg = svg

    def __html__(self) -> str:
        return self._svg


def plan_graph(plan: Plan) -> SafeString:
    """This will draw a definition: what its steps use and wait for."""
    nodes = [
        Node(
            id=step.id,
            needs=_drawn_needs(step, plan=plan),
            kind=step.uses,
            badge="undo" if step.id in plan.undo_of else _parallel(step),
            note=_note(step),
            is_stack=step.for_each is not None,
        )
        for step in timeline.in_order(plan)
        if step.phase is not Phase.UNDO
    ]
    return _safe(nodes, label=f"Graph of {plan.definition.name}")


def run_graph(story: Story, *, now: datetime) -> SafeString:
    """This will draw a run: how far each step is, linked to its row further down."""
    nodes = [
        Node(
            id=step.id,
            needs=_drawn_needs(step.definition, plan=story.version.plan),
            kind=step.definition.uses,
            state=step.state,
            badge=_progress(step, now=now),
            note="\n".join(part for part in (words(step.state), _note(step.definition)) if part),
            href=f"#step-{step.id}",
            is_stack=step.definition.for_each is not None,
        )
        for step in story.steps
    ]
    return _safe(nodes, label=f"Graph of run {story.run.id}")


def _drawn_needs(step: StepDefinition, *, plan: Plan) -> tuple[str, ...]:
    """Arrows show what comes before: the step that is undone, and before `finally` the last main steps."""
    match step.phase:
        case Phase.UNDO:
            return (step.undoes,) if step.undoes else ()
        case Phase.FINALLY:
            return step.needs or tuple(one for one in plan.main if not plan.graph.dependents[one])
        case _:
            return step.needs


def _safe(nodes: Sequence[Node], *, label: str) -> SafeString:
    return format_html("{}", _Drawn(drawing.draw(nodes, label=label)))


def _parallel(step: StepDefinition) -> str:
    return f"each ×{step.parallel}" if step.for_each is not None else ""


def _progress(step: StepStory, *, now: datetime) -> str:
    if step.items is not None:
        return f"{step.items.ended:,}/{step.items.total:,}"
    if step.started_at is not None:
        return span(((step.ended_at or now) - step.started_at).total_seconds())
    return ""


def _note(step: StepDefinition) -> str:
    parts = [
        f"lane {step.queue}",
        f"if {step.condition}" if step.condition else "",
        f"when {step.when.value}" if step.when is not JoinRule.ALL_SUCCESS else "",
        f"for_each {step.for_each}"[:80] if step.for_each is not None else "",
        f"at most {step.retry.attempts} attempts",
    ]
    return "\n".join(part for part in parts if part)
