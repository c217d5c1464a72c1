"""The files of frozen messages: read and written; it knows no broker."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from tests.wire.cases import Case
from tests.wire.message import Message

DIRECTORY = Path(__file__).parent / "messages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """What a release put into queues for a case; `{run0}`, `{workflow}` stand for names."""

    release: str
    name: str
    case: Case
    messages: Sequence[Message]

    def __str__(self) -> str:
        return f"{self.release}/{self.name}"


def write(frozen: Frozen) -> Path:
    """This will write a file, and give its path. Raises FileExistsError: what is frozen stays."""
    path = DIRECTORY / frozen.release / f"{frozen.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"case": asdict(frozen.case), "messages": [asdict(message) for message in frozen.messages]}
    with path.open("xb") as file:
        file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return path


def all_frozen() -> Iterator[Frozen]:
    """This will read every file, release by release."""
    for path in sorted(DIRECTORY.glob("*/*.json")):
        document = orjson.loads(path.read_bytes())
        messages = [Message(**message) for message in document["messages"]]
        yield Frozen(release=path.parent.name, name=path.stem, case=Case(**document["case"]), messages=messages)
