"""An outside ledger: one line of JSON for each thing that happened, in a file that is only ever appended to.

Each line is one write, so lines of several processes never mix, and what a killed process wrote stays.
"""

import json
import os
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from workflows.core.context import StepContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened: `event` is `begin`, `effect` or what the function was told to write."""

    event: str
    key: str
    run_id: str
    step: str
    attempt: int
    note: str
    pid: int
    at: float


def write(path: str, *, event: str, context: StepContext, note: str = "") -> None:
    """This will append an entry."""
    entry = Entry(
        event=event,
        key=context.idempotency_key,
        run_id=context.run_id,
        step=context.step,
        attempt=context.attempt,
        note=note,
        pid=os.getpid(),
        at=time.time(),
    )
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, json.dumps(asdict(entry)).encode() + b"\n")
    finally:
        os.close(file)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger as a test reads it."""

    path: Path

    def entries(self, event: str | None = None, *, run_id: object = None, step: str | None = None) -> list[Entry]:
        """This will read the entries, earliest first: of one event, run or step if that is asked for."""
        if not self.path.exists():
            return []
        lines = self.path.read_text().splitlines()
        return [
            entry
            for entry in (Entry(**json.loads(line)) for line in lines)
            if event in (None, entry.event)
            and (run_id is None or entry.run_id == str(run_id))
            and step in (None, entry.step)
        ]

    def effects_by_key(self, *, run_id: object = None) -> Counter[str]:
        """This will count the effects of each idempotency key."""
        return Counter(entry.key for entry in self.entries("effect", run_id=run_id))
