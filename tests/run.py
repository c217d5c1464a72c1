"""`make test`: all tests in two halves beside each other, each on private servers of its own.

    python -m tests.run [PYTEST ARGUMENT...]

One half starts real processes and mostly waits for them; the other keeps a processor busy. With a path among the
arguments there is one half only. The exit code is 0 when every half passed.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

_SCENARIOS = "tests/scenarios"
_HALVES: Mapping[str, Sequence[str]] = {
    "scenarios": (_SCENARIOS,),
    "engine": ("tests", f"--ignore={_SCENARIOS}"),
}
_IS_READY = "private services ready"
_READY_LIMIT_S = 60.0


class Half:
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
        """This will wait for its servers, so that the next half looks for free ports when these are taken."""
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
    wanted: Mapping[str, Sequence[str]] = {"tests": ()} if has_path else _HALVES
    halves: dict[str, Half] = {}

    def pass_on(_number: int, _frame: FrameType | None) -> None:
        for half in halves.values():
            half.ask_to_end()

    signal.signal(signal.SIGTERM, pass_on)
    for name, paths in wanted.items():
        halves[name] = Half(name, arguments=[*paths, *arguments])
        halves[name].wait_until_ready()
    codes = {name: half.end() for name, half in halves.items()}
    for name, code in codes.items():
        print(f"{name:<9} : {'passed' if code == 0 else f'FAILED (exit code {code})'}")
    return max(codes.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
