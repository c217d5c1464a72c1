"""What a breach of a law is: which run it concerns, and what was found where something else should be."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from tests.chaos.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that must not be. Without a run it concerns what has none."""

    run_id: UUID | None
    what: str

    def __str__(self) -> str:
        return self.what if self.run_id is None else f"run {self.run_id}: {self.what}"


Law: TypeAlias = Callable[[Evidence], Iterable[Breach]]
