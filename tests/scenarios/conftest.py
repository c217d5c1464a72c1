"""Real workers and schedulers that notice a loss within seconds; tests that break none share them.

To start a process costs seconds of a processor. So tests that want the same ones follow each other, across modules.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from config.servers.guard import Guard
from tests.flows.ledger import Ledger
from tests.scenarios.killing import Troupe
from tests.support.processes import HASTY as HASTY
from tests.support.processes import Processes, TestedProcess
from workflows.models import Activation

STEADY = {**HASTY, "LEASE_S": "4"}
"""Leases that a busy machine does not lose, for tests that want none lost."""
SHARED = ("crew", "dispatcher", "troupe")
Made = TypeVar("Made")


class Company:
    """The processes that are shared at present; when others are wanted, they go."""

    def __init__(self, *, new: Callable[[str], Processes]) -> None:
        self._new = new
        self._present: tuple[str, Any] = ("", None)  # Any: each kind has a type of its own
        self._processes: Processes | None = None

    def of(self, name: str, come: Callable[[Processes], Made]) -> Made:
        """This will be those of a name, who come if they are not there yet."""
        if self._present[0] != name:
            self.go()
            self._processes = self._new(name)
            self._present = (name, come(self._processes))
        made: Made = self._present[1]
        return made

    def go(self) -> None:
        """This will end those who are there."""
        if self._processes is not None:
            self._processes.end()
        self._present, self._processes = ("", None), None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """This will have tests that share processes follow each other, those last that break servers under them."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[int, bool]:
    names: Sequence[str] = getattr(item, "fixturenames", ())
    shared = next((place for place, name in enumerate(SHARED) if name in names), len(SHARED))
    return shared, SHARED[shared : shared + 1] == ("crew",) and "servers" in names


@pytest.fixture(scope="session")
def company(database: None, guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """This will be what tests that follow each other share."""
    made = Company(new=lambda name: Processes(directory=tmp_path_factory.mktemp(name), guard=guard))
    yield made
    made.go()


@pytest.fixture(autouse=True)
def _quiet(request: pytest.FixtureRequest, company: Company) -> None:
    """Runs that other tests left behind are nobody's work; but the plays of a troupe go on beside each other."""
    if "troupe" not in request.fixturenames:
        Activation.objects.all().delete()
    if not set(SHARED) & set(request.fixturenames):
        company.go()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """This will be an empty ledger."""
    return Ledger(tmp_path / "ledger")


@pytest.fixture(scope="module")
def crew(company: Company) -> Processes:
    """This will be two workers and a scheduler that break no more than what they are given; nobody kills them."""

    def come(processes: Processes) -> Processes:
        workers = [processes.start_worker(env=STEADY, wait=False) for _ in range(2)]
        processes.start_scheduler(env=STEADY)
        for worker in workers:
            worker.wait_for_log(" ready.")
        return processes

    return company.of("crew", come)


@pytest.fixture(scope="module")
def dispatcher(company: Company) -> TestedProcess:
    """This will be a scheduler for tests in which only workers come and go."""
    return company.of("dispatcher", lambda processes: processes.start_scheduler(env=HASTY, wait=False))


@pytest.fixture(scope="module")
def troupe(company: Company) -> Troupe:
    """This will be two schedulers, and a worker for the plays; when they are killed others come."""

    def come(processes: Processes) -> Troupe:
        Activation.objects.all().delete()
        made = Troupe(processes)
        made.come(schedulers=2)
        return made

    return company.of("troupe", come)
