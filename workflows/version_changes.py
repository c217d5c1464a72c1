"""Reads two versions of a workflow to compare them; it changes nothing."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from workflows import queries
from workflows.core.definition_changes import DefinitionChanges, changes_between
from workflows.models import Workflow, WorkflowVersion

_CONTEXT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChanges:
    """What has changed between two versions, by meaning and by text (`unified`, without line ends)."""

    before: WorkflowVersion
    after: WorkflowVersion
    changes: DefinitionChanges
    unified: Sequence[str]


def between(*, workflow: Workflow, before: int, after: int) -> VersionChanges:
    """This will compare two versions of a workflow, in either direction. Raises UnknownVersion."""
    first = queries.get_version(workflow=workflow, number=before)
    second = queries.get_version(workflow=workflow, number=after)
    return VersionChanges(
        before=first,
        after=second,
        changes=changes_between(first.document, second.document),
        unified=_unified(first, second),
    )


def _unified(before: WorkflowVersion, after: WorkflowVersion) -> list[str]:
    return list(
        difflib.unified_diff(
            before.source.splitlines(),
            after.source.splitlines(),
            fromfile=f"v{before.number}",
            tofile=f"v{after.number}",
            lineterm="",
            n=_CONTEXT,
        )
    )
