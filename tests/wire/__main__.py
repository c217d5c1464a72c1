"""Freezes the messages of a release: one file for each case that has none of this form yet.

.venv/bin/python -m config.private_services -- .venv/bin/python -m tests.wire 0.2.0
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support import environment

environment.set_up_django()  # before the modules below import a model

from config.servers.guard import Guard  # noqa: E402
from tests.support import database  # noqa: E402
from tests.support.processes import Processes  # noqa: E402
from tests.wire import frozen, journey  # noqa: E402


def main(argv: Sequence[str]) -> int:
    """This will write the files, and name them."""
    (release,) = argv
    environment.control_path()
    known = {(one.name, str([message.form() for message in one.messages])) for one in frozen.all_frozen()}
    database.make()
    guard = Guard()
    try:
        with tempfile.TemporaryDirectory() as folder:
            processes = Processes(directory=Path(folder), guard=guard)
            try:
                found = journey.todays_messages(processes)
            finally:
                processes.end()
    finally:
        guard.close()
        database.drop()
    for name, (travelled, messages) in found.items():
        renamed = [message.renamed(travelled.names) for message in messages]
        if (name, str([message.form() for message in renamed])) not in known:
            print(frozen.write(frozen.Frozen(release=release, name=name, case=travelled.case, messages=renamed)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
