"""What the doctor says: one finding, and how bad it is; values only."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is. An error keeps work from being done, or a promise from being kept."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something the doctor has to say: what, where, why it matters, and the command or setting that mends it."""

    level: Level
    code: str
    what: str
    where: str
    why: str = ""
    mend: str = ""
