"""What has changed from one definition to another: steps, what they wait for, everything else; it never judges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workflows.core.building import restore_definition
from workflows.core.definition import JsonObject, JsonValue, StepDefinition
from workflows.core.differences import Change, Differences, Keys, compare, path_of
from workflows.core.graph import Graph

SECTIONS = ("steps", "finally")
"""Where steps stand in a document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChange:
    """A step that is new, gone or different. `is_meaning_same`: only written differently, such as `[a]` for `a`.

    `differences` have paths from the root of the document; those of a whole step that is new or gone are one.
    """

    step: str
    keys: Keys
    change: Change
    differences: Differences
    needs_added: tuple[str, ...] = ()
    needs_removed: tuple[str, ...] = ()
    is_meaning_same: bool = False

    @property
    def path(self) -> str:
        """This will give the JSON path of the step."""
        return path_of(self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionChanges:
    """All that differs. `inherited` are steps that are written as before and mean something else, by `defaults`."""

    steps: Sequence[StepChange]
    rest: Differences
    inherited: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """This will tell whether nothing is different."""
        return not self.steps and not self.rest


def changes_between(before: JsonObject, after: JsonObject) -> DefinitionChanges:
    """This will compare two published documents: steps by their ids, in the order of their needs, new ones behind."""
    old, new = Graph(restore_definition(before).all_steps), Graph(restore_definition(after).all_steps)
    steps: list[StepChange] = []
    inherited: list[str] = []
    for section in SECTIONS:
        was, now = _steps(before, section), _steps(after, section)
        names = [step for step in old.order if step in was] + [step for step in new.order if step in now]
        for step in dict.fromkeys(names):
            change = _change((section, step), was=was, now=now, old=old.steps.get(step), new=new.steps.get(step))
            if change is not None:
                steps.append(change)
            elif old.steps[step] != new.steps[step]:
                inherited.append(step)
    rest = compare(_without_steps(before), _without_steps(after))
    return DefinitionChanges(steps=steps, rest=rest, inherited=tuple(inherited))


def _change(
    keys: tuple[str, str],
    *,
    was: Mapping[str, JsonValue],
    now: Mapping[str, JsonValue],
    old: StepDefinition | None,
    new: StepDefinition | None,
) -> StepChange | None:
    section, step = keys
    found = compare(_only(was, step), _only(now, step), at=(section,))
    if not found:
        return None
    old_needs = set(old.needs) if old is not None and step in was else set()
    new_needs = set(new.needs) if new is not None and step in now else set()
    change = Change.CHANGED if step in was and step in now else Change.REMOVED if step in was else Change.ADDED
    return StepChange(
        step=step,
        keys=keys,
        change=change,
        differences=found,
        needs_added=tuple(sorted(new_needs - old_needs)),
        needs_removed=tuple(sorted(old_needs - new_needs)),
        is_meaning_same=change is Change.CHANGED and old == new,
    )


def _only(steps: Mapping[str, JsonValue], step: str) -> dict[str, JsonValue]:
    return {step: steps[step]} if step in steps else {}


def _steps(document: JsonObject, section: str) -> Mapping[str, JsonValue]:
    found = document.get(section, {})
    return found if isinstance(found, Mapping) else {}


def _without_steps(document: JsonObject) -> dict[str, JsonValue]:
    return {key: value for key, value in document.items() if key not in SECTIONS}
