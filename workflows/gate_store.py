"""The statements of flow control as typed functions; they lock and count, and decide nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from workflows import statements, store
from workflows.core.gcra import Rate
from workflows.flow import GateKey


@dataclass(frozen=True, slots=True)
class HeldGate:
    """A gate whose row this transaction has locked. `run_id` gathers starts, `joined` so many since `opened_at`."""

    id: UUID
    slots: int
    run_id: UUID | None
    joined: int
    opened_at: datetime | None


@dataclass(frozen=True, slots=True)
class Turn:
    """The answer of a rate: refused for `wait_s`, or let in after `wait_s` (0: at once)."""

    is_refused: bool
    wait_s: float


def hold_gates(asked: Sequence[tuple[GateKey, int]], *, workflow: str) -> dict[UUID, HeldGate]:
    """This will lock gates until the transaction ends, in the order of their ids, and make those that are new.

    Each comes with the rank of the version that asks (`CurrentRelease.rank_of`): the limits of the highest count.
    """
    gates = [
        {
            "id": str(key.id),
            "workflow_name": workflow,
            "kind": key.kind.value,
            "key": key.key,
            "version": rank,
            "slots": key.limit,
        }
        for key, rank in asked
    ]
    return {row[0]: HeldGate(*row) for row in statements.run("hold_gates", {"gates": store.dump(gates)})}


def take_turn(key: GateKey, *, workflow: str, rate: Rate, may_refuse: bool) -> Turn:
    """This will take a turn at a gate, in one statement; a refused one is counted and takes nothing."""
    params = {
        "id": key.id,
        "workflow": workflow,
        "kind": key.kind.value,
        "key": key.key,
        "interval_s": rate.interval_s,
        "tolerance_s": rate.tolerance_s,
        "may_refuse": may_refuse,
    }
    is_refused, wait_s = statements.run("take_turn", params)[0]
    return Turn(is_refused, max(0.0, wait_s))


def find_admissible(gates: Sequence[UUID], *, limit: int) -> Sequence[tuple[UUID, Sequence[UUID]]]:
    """This will give who waits at these gates and has room wherever it waits, longest waiting first.

    Of each run the gates it waits at.
    """
    return [
        (run_id, places) for run_id, places in statements.run("find_admissible", {"gates": list(gates), "limit": limit})
    ]
