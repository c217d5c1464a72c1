"""Has a run go on with further steps that one of its steps has returned, in the transaction that ends that step.

The run is locked. A lost attempt leaves nothing behind, and a step that has ended returns nothing again.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from audit import operations as audit
from audit.events import Event, EventKind
from workflows import documents, plans
from workflows.core import growth
from workflows.core.building import restore_definition
from workflows.core.definition import JsonObject
from workflows.core.problems import DefinitionInvalid
from workflows.models import GrownPlan, Run
from workflows.operations import publishing
from workflows.operations.incidents import ENGINE
from workflows.plans import Program


def grow(
    program: Program,
    *,
    run_id: UUID,
    correlation_id: str,
    step: str,
    steps: Mapping[str, JsonObject],
    now: datetime,
) -> Program:
    """This will give the program of the run with the new steps. Raises DefinitionInvalid, and nothing has changed.

    They are checked as a definition is, with everything that stands before them.
    """
    source = plans.source_of(program.version_id)
    document = growth.grown_document(source.document, step=step, steps=steps)
    found = {problem.path: problem for problem in growth.growth_problems(source.document, step=step, steps=steps)}
    for problem in publishing.find_problems(document):
        if growth.is_about(problem, steps=steps):
            found.setdefault(problem.path, problem)
    if found:
        raise DefinitionInvalid(list(found.values()))
    plan = growth.grown_plan(program.plan, definition=restore_definition(document), step=step, steps=tuple(steps))
    row = GrownPlan.objects.create(
        run_id=run_id,
        version_id=source.published_id,
        number=source.grown_number + 1,
        step=step,
        steps=list(steps),
        grown=plan.grown,
        document=document,
        content_hash=documents.content_hash(document),
        plan=plan.document(),
        plan_hash=plan.digest,
        created_at=now,
    )
    Run.objects.filter(id=run_id).update(grown_id=row.id)
    audit.record(
        Event(
            kind=EventKind.RUN_GROWN,
            actor=ENGINE,
            subject_type="run",
            subject_id=str(run_id),
            correlation_id=correlation_id,
            at=now,
            payload={"step": step, "steps": list(steps), "content_hash": row.content_hash, "plan_hash": row.plan_hash},
        )
    )
    return plans.program_of(plans.grown_version(row.id))
