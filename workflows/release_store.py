"""The release of a workflow as those who start runs see it: a typed look-up; it decides by the pure core alone."""

from typing import NamedTuple

from workflows import statements
from workflows.core.canary import is_canary


class CurrentRelease(NamedTuple):
    """The versions that starts get. What an id stands for never changes."""

    id: int
    version_id: int
    canary_id: int | None
    canary_percent: float
    is_enabled: bool

    def version_for(self, key: str) -> int:
        """This will give the id of the version that a start with this key gets."""
        if self.canary_id is None or not is_canary(key, salt=str(self.canary_id), percent=self.canary_percent):
            return self.version_id
        return self.canary_id

    def rank_of(self, version_id: int) -> int:
        """This will order versions by whose limits count at a gate: the version in use, a canary, any other one."""
        if version_id == self.version_id:
            return 2 * self.id + 1
        return 2 * self.id if version_id == self.canary_id else 0


def find_release(*, name: str) -> CurrentRelease | None:
    """This will give the release of a workflow; None: nothing was published under that name."""
    rows = statements.run("find_release", {"name": name})
    return CurrentRelease(*rows[0]) if rows else None
