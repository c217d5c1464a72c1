"""A cleaner that is killed anywhere loses nothing, leaves nothing behind, and needs neither broker nor Redis."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from audit import queries as audit
from tests.support.environment import ROOT
from tests.support.history import DECEMBER, NOVEMBER, History

NOBODY = "127.0.0.1:9"


@pytest.fixture
def history(database: None) -> Iterator[History]:
    """This will be a small history."""
    made = History.made()
    yield made
    made.drop()


def environment() -> dict[str, str]:
    """This will be the environment of a machine where only the database is left."""
    lost = {"BROKER_URL": f"amqp://{NOBODY}//", "REDIS_URL": f"redis://{NOBODY}/0"}
    return {**os.environ, **lost, "DJANGO_SETTINGS_MODULE": "config.settings"}


@pytest.mark.parametrize(
    ("place", "visit"), [("_check", 2), ("_drop_leftovers", 3), ("_swap_patiently", 2), ("_tidy", 1)]
)
def test_killed_cleaner_leaves_a_state_from_which_the_next_goes_on(history: History, place: str, visit: int) -> None:
    gone, held = history.add(NOVEMBER), history.add(NOVEMBER)
    history.add(DECEMBER)
    history.hold(scope="run", value=str(held))
    code = (
        "import django; django.setup(); from tests.support import history; history.clean_and_stand_still("
        f"run={history.run!r}, step={history.step!r}, place={place!r}, visit={visit})"
    )
    cleaner = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert cleaner.stdout is not None
        while "standing still" not in (line := cleaner.stdout.readline()):
            assert line, "the cleaner ended by itself"
    finally:
        cleaner.kill()  # SIGKILL
        cleaner.communicate()

    left = history.left()
    assert held in left
    history.clean()

    assert history.left() == {held}
    assert gone not in history.left()
    assert audit.events_for(f"{history.run}:2026_11").count() == 1
    assert not [name for name in history.tables() if name.endswith(("_gone", "_kept"))]


def test_command_works_with_broker_and_redis_down(database: None) -> None:
    command = [sys.executable, "manage.py", "automation", "retention", "run"]

    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=180, check=False
    )

    assert "no month has come to its end" in done.stdout, done.stderr
