"""The section `on.schedule` of definitions: checked with paths, and made into schedules when it is published."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from audit.events import Actor
from automation.scheduling.declaring import declare
from automation.scheduling.documents import calendar_problems, meaning_problems
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.problems import DefinitionInvalid, Problem, path_to

_AT = "$.on.schedule"


class ScheduleTrigger:
    """Keeps `workflows.triggers.Trigger`."""

    def problems(self, value: JsonValue, *, at: str, document: JsonObject) -> Iterator[Problem]:
        """This will give what is wrong with one schedule, or with a list of them."""
        names: set[object] = set()
        for place, one in _listed(value, at=at):
            yield from meaning_problems(one, at=place, wanted=document.get("input"))
            name = one.get("name")
            if name is not None and name in names:
                yield Problem(path_to(place, "name"), f"another schedule is called {name!r}", "names tell them apart")
            names.add(name)

    def published(self, *, workflow: str, value: JsonValue, actor: Actor, now: datetime) -> None:
        """This will make the workflow's schedules those of the definition. Raises DefinitionInvalid."""
        found = _listed(value, at=_AT)
        problems = [problem for place, one in found for problem in calendar_problems(one, at=place)]
        if problems:
            raise DefinitionInvalid(problems)
        declare(workflow=workflow, documents=[one for _, one in found], actor=actor, now=now)


def _listed(value: JsonValue, *, at: str) -> list[tuple[str, JsonObject]]:
    if isinstance(value, Mapping):
        return [(at, value)]
    if not isinstance(value, list):
        return []
    return [(path_to(at, index), one) for index, one in enumerate(value) if isinstance(one, Mapping)]
