"""What a process is made of: one that only works loads nothing that serves people, and hands that on to nobody."""

import os
import signal
import subprocess
import sys

import pytest

from tests.support.environment import ROOT
from tests.support.processes import Processes
from tests.support.waiting import wait_until

FOR_PEOPLE = ("unfold", "rest_framework", "drf_spectacular", "workflows.admin", "workflows.api", "config.urls")
_WORKER = "import config.worker; config.worker.app.loader.import_default_modules()"
_SCHEDULER = """
import sys, manage
sys.argv = ["manage.py", "automation", "scheduler", "--help"]
try:
    manage.main()
except SystemExit:
    pass
"""
_COMMAND = _SCHEDULER.replace('"scheduler"', '"runs"')
_CHILD = f"""
import subprocess, sys
{_WORKER}
command = [sys.executable, "-c", {_COMMAND!r} + sys.argv[1]]
sys.stdout.write(subprocess.run(command, capture_output=True, text=True).stdout)
sys.exit()
"""
_TELL = "\nimport sys; print('loaded:', *sorted(sys.modules))"


@pytest.mark.parametrize("program", [_WORKER, _SCHEDULER])
def test_process_that_only_works_loads_nothing_for_people(program: str) -> None:
    loaded = _loaded_by(program)

    assert "workflows.dispatch.canvas" in loaded, "it has loaded what it works with"
    assert not loaded & set(FOR_PEOPLE)
    assert not loaded & {"prompt_toolkit", "requests"}


@pytest.mark.parametrize("program", [_COMMAND, _CHILD])
def test_command_serves_people_also_when_a_worker_has_started_it(program: str) -> None:
    assert {"unfold", "rest_framework", "workflows.admin"} <= _loaded_by(program)


def test_worker_executes_itself_again_when_it_is_told_to(worker_processes: Processes) -> None:
    worker = worker_processes.start_worker()

    os.kill(worker.pid, signal.SIGHUP)

    wait_until(lambda: worker.log.count(" ready.") == 2, what="the worker is ready again")
    assert worker.is_running


def _loaded_by(program: str) -> frozenset[str]:
    done = subprocess.run(
        [sys.executable, "-c", program + _TELL, _TELL], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return frozenset(done.stdout.rpartition("loaded:")[2].split())
