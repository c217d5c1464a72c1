"""What is wrong with a document, where, and what would be right; it never checks anything itself."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    `path` is a JSON path such as `$.steps.charge.needs[0]`; `line` and `column` count from 1 and are known
    only when the document came as text.
    """

    path: str
    message: str
    hint: str = ""
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = self.path if self.line is None else f"line {self.line}, {self.path}"
        return f"{place}: {self.advice}"

    @property
    def advice(self) -> str:
        """This will say what is wrong and what would be right, without the place."""
        return self.message + (f" ({self.hint})" if self.hint else "")


class DefinitionInvalid(Exception):
    """A definition cannot be used; `problems` holds everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def path_to(path: str, *keys: str | int) -> str:
    """This will extend a JSON path by keys and indexes.

    >>> path_to("$", "steps", "charge", "needs", 0)
    '$.steps.charge.needs[0]'
    >>> path_to("$.headers", "X-Trace")
    "$.headers['X-Trace']"
    """
    for key in keys:
        if isinstance(key, int):
            path += f"[{key}]"
        elif _PLAIN_KEY.fullmatch(key):
            path += f".{key}"
        else:
            quoted = key.replace("\\", "\\\\").replace("'", "\\'")
            path += f"['{quoted}']"
    return path


def nearest(word: str, known: Iterable[str]) -> str | None:
    """This will find the known word that was most likely meant, or None.

    >>> nearest("nedds", ["needs", "uses"])
    'needs'
    """
    found = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return found[0] if found else None


def suggestion(word: str, *, known: Iterable[str], noun: str) -> str:
    """This will word a hint: the nearest known word, else a short list of all, else that there is none."""
    names = sorted(known)
    found = nearest(word, names)
    if found is not None:
        return f"did you mean {found!r}?"
    if not names:
        return f"there is no {noun}"
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"known {noun}s: {listed}"
