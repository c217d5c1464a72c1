"""A short attack by the chaos suite on a platform of its own: no law is broken, and the tally says what happened."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.environment import ROOT

pytestmark = pytest.mark.usefixtures("servers")
_SECONDS = 10
_LIMIT_S = 900


def test_no_law_is_broken_under_a_short_attack() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--seed", "21", "--seconds", str(_SECONDS), "--json"]
    own_database = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}

    done = subprocess.run(
        command, cwd=ROOT, env=own_database, capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )

    assert done.returncode == 0, done.stderr[-8000:]
    tally = json.loads(done.stdout)
    assert tally["clean"]
    assert sum(tally["faults"].values()) >= 2
    assert sum(sum(states.values()) for states in tally["runs"].values()) >= _SECONDS
