"""`make test`: all tests in groups beside each other, each on private servers of its own.

    python -m tests.run [PYTEST ARGUMENT...]

Some start real processes and mostly wait for them; the others keep a processor busy. With a path among the arguments
there is one group only. The exit code is 0 when every group passed.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

_GROUPS: Mapping[str, Sequence[str]] = {
    "engine": ("tests",),
    "scenarios": ("tests/scenarios",),
    "platforms": (
        "tests/scenarios/test_chaos.py",
        "tests/scenarios/test_io_requests.py",
        "tests/scenarios/test_io_worker.py",
        "tests/integration/test_example_demo.py",
        "tests/integration/test_platform_supervisor.py",
        "tests/integration/adapters",
        "tests/docs",
        "tests/unit",
        "tests/properties",
    ),
}
"""What stands in a group below is left out of those above it."""
_IS_READY = "private services ready"
_READY_LIMIT_S = 300.0


class Group:
    """One pytest with its servers. Its lines come out as they are written, with its name in front."""

    def __init__(self, name: str, *, arguments: Sequence[str]) -> None:
        command = [sys.executable, "-m", "config.private_services", "--", sys.executable, "-m", "pytest", *arguments]
        self._name = name
        self._is_ready = threading.Event()
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        self._reader = threading.Thread(target=self._pass_on, daemon=True)
        self._reader.start()

    def wait_until_ready(self) -> None:
        """This will wait for its servers, so that the next group looks for free ports when these are taken."""
        stop_at = time.monotonic() + _READY_LIMIT_S
        while self._process.poll() is None and time.monotonic() < stop_at and not self._is_ready.wait(0.1):
            pass

    def ask_to_end(self) -> None:
        """This will pass a SIGTERM on."""
        self._process.terminate()

    def end(self) -> int:
        """This will wait for its end and give its exit code."""
        while True:
            try:
                code = self._process.wait()
                self._reader.join()
                return code
            except KeyboardInterrupt:  # the terminal told pytest too: it ends what it started, and we wait
                continue

    def _pass_on(self) -> None:
        for line in self._process.stdout or ():
            if _IS_READY in line:
                self._is_ready.set()
            sys.stdout.write(f"{self._name:<9} | {line}")
            sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """This will run what is asked for and give the exit code."""
    has_path = any(Path(argument.split("::")[0]).exists() for argument in arguments)
    wanted: Mapping[str, Sequence[str]] = {"tests": ()} if has_path else _divided()
    groups: dict[str, Group] = {}

    def pass_on(_number: int, _frame: FrameType | None) -> None:
        for group in groups.values():
            group.ask_to_end()

    signal.signal(signal.SIGTERM, pass_on)
    for name, paths in wanted.items():
        groups[name] = Group(name, arguments=[*paths, *arguments])
        groups[name].wait_until_ready()
    codes = {name: group.end() for name, group in groups.items()}
    for name, code in codes.items():
        print(f"{name:<9} : {'passed' if code == 0 else f'FAILED (exit code {code})'}")
    return max(codes.values())


def _divided() -> Mapping[str, Sequence[str]]:
    """Each group with its paths, and without those of the groups below it."""
    names = list(_GROUPS)
    below = {name: [path for other in names[at + 1 :] for path in _GROUPS[other]] for at, name in enumerate(names)}
    return {name: [*_GROUPS[name], *(f"--ignore={path}" for path in below[name])] for name in names}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
