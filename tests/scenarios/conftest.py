"""Real workers and schedulers that notice a loss within seconds; tests that break none share them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.servers.guard import Guard
from tests.flows.ledger import Ledger
from tests.support.processes import Processes
from workflows.models import Activation

HASTY = {
    "LEASE_S": "2",
    "DISPATCH_AGAIN_S": "1",
    "DISPATCH_AGAIN_CAP_S": "2",
    "CARRY_GRACE_S": "0.5",
    "SHIFT_S": "0.5",
}
"""An environment in which whatever was lost is missed within two seconds."""


@pytest.fixture(autouse=True)
def _quiet(database: None) -> None:
    """Runs that other tests left behind are nobody's work."""
    Activation.objects.all().delete()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """This will be an empty ledger."""
    return Ledger(tmp_path / "ledger")


@pytest.fixture(scope="module")
def crew(database: None, guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """This will be two workers and a scheduler that the tests of a module share."""
    processes = Processes(directory=tmp_path_factory.mktemp("crew"), guard=guard)
    workers = [processes.start_worker(env=HASTY, wait=False) for _ in range(2)]
    processes.start_scheduler(env=HASTY)
    for worker in workers:
        worker.wait_for_log(" ready.")
    yield processes
    processes.end()
