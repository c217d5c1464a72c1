"""Whether a step may begin that a worker has been given, or a pause covers it; what is under way is left alone.

The statement that gives a step away also says how often pauses have changed. Who knows the pauses as they were then
need not ask: a look at the pauses costs nothing but when they change.
"""

from collections.abc import Sequence

from workflows import pause_store
from workflows.core.pausing import PauseRule, Standpoint, find_cover
from workflows.execution import line
from workflows.execution.cursor import Cursor


class PauseBook:
    """The pauses as this process saw them last. Safe to use from all its threads."""

    def __init__(self) -> None:
        self._known: tuple[int, Sequence[PauseRule]] = (-1, ())

    def may_cover(self, cursor: Cursor) -> bool:
        """This will tell, without a look at the database, whether `find` might give a pause."""
        epoch, rules = self._known
        return bool(rules) or epoch < cursor.pause_epoch

    def find(self, cursor: Cursor) -> PauseRule | None:
        """This will give the pause that keeps the cursor's step from beginning, or None."""
        epoch, rules = self._known
        if epoch < cursor.pause_epoch:
            epoch = pause_store.epoch()  # before the pauses: they are at least as new
            rules = pause_store.in_force()
            self._known = (epoch, rules)
        return find_cover(rules, at=_standpoint(cursor)) if rules else None


_book = PauseBook()


def may_be_paused(cursor: Cursor) -> bool:
    """This will tell whether `put_aside` has to be asked; it never looks at the database."""
    return _book.may_cover(cursor)


def is_covered(cursor: Cursor) -> bool:
    """This will tell whether a pause keeps the cursor's step from beginning."""
    return _book.may_cover(cursor) and _book.find(cursor) is not None


def put_aside(cursor: Cursor) -> bool:
    """This will put a cursor aside whose step a pause covers, its slots handed on; False: it may begin."""
    if not _book.may_cover(cursor):
        return False
    rule = _book.find(cursor)
    if rule is None:
        return False
    pause_store.set_aside(rows=[{**cursor.hold, "object": rule.key}])
    if cursor.has_slots:
        line.hand_on(cursor, may_take=False)
    return True


def _standpoint(cursor: Cursor) -> Standpoint:
    claim = cursor.claim
    return Standpoint(
        run_id=str(claim.run_id),
        workflow=claim.workflow_name,
        lane=cursor.segment.lane,
        connection=cursor.step.connection,
        created_at=claim.created_at,
    )
