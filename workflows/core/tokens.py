"""The words of a CEL source, as far as one must know them to find names; it never judges the grammar."""

import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

_TOKEN = re.compile(
    r"""
      (?P<blank>\s+|//[^\n]*)
    | (?P<string>
        (?:[rR][bB]?|[bB][rR])(?:\"{3}(?s:.)*?\"{3}|'{3}(?s:.)*?'{3}|"[^"\n]*"|'[^'\n]*')
      | [bB]?(?:\"{3}(?:\\(?s:.)|[^\\])*?\"{3}|'{3}(?:\\(?s:.)|[^\\])*?'{3}
               |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      )
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9][0-9A-Za-z_]*)
    | (?P<other>`[^`\n]*`|(?s:.))
    """,
    re.VERBOSE,
)
_PATH = re.compile(r"\s*[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*|\s*\[\s*[0-9]{1,9}\s*\])*\s*", re.ASCII)
_PATH_PART = re.compile(r"\w+", re.ASCII)
Chain: TypeAlias = tuple[str, ...]
"""A name and the fields selected from it: `steps.charge.output.id` is ("steps", "charge", "output", "id")."""


class Token(NamedTuple):
    """One word: its kind (blank, string, name, number, other), its text and where it begins."""

    kind: str
    text: str
    start: int


def tokens(source: str, *, start: int = 0) -> Iterator[Token]:
    """This will cut a source into words, lazily; every character belongs to exactly one word."""
    for match in _TOKEN.finditer(source, start):
        yield Token(match.lastgroup or "other", match.group(), match.start())


def chains(source: str) -> frozenset[Chain]:
    """This will find every name with the fields selected from it; a called method is not a field.

    It may find more than CEL sees (variables of macros), never less.

    >>> sorted(chains("steps.a.output.size() > input.limit"))
    [('input', 'limit'), ('steps', 'a', 'output')]
    """
    words = [token for token in tokens(source) if token.kind != "blank"]
    starts = (index for index, token in enumerate(words) if token.kind == "name" and not _is_field(words, index))
    return frozenset(chain for chain in (_chain(words, start=index) for index in starts) if chain)


def plain_path(source: str) -> tuple[str | int, ...] | None:
    """This will give the path when a source is nothing but a name with fields and fixed indexes, else None.

    >>> plain_path("input.lines[0].price"), plain_path("input.total > 0")
    (('input', 'lines', 0, 'price'), None)
    """
    if _PATH.fullmatch(source) is None:
        return None
    return tuple(int(part) if part.isdecimal() else part for part in _PATH_PART.findall(source))


def _is_field(words: list[Token], index: int) -> bool:
    """This will tell whether a name is selected from a value (`.name` on its own is a root name)."""
    if index < 2 or words[index - 1].text != ".":
        return False
    before = words[index - 2]
    return before.kind in ("name", "string", "number") or before.text[-1] in ")]}`"


def _chain(words: list[Token], *, start: int) -> Chain:
    names = [words[start].text]
    position = start + 1
    while position + 1 < len(words) and words[position].text == "." and words[position + 1].kind == "name":
        names.append(words[position + 1].text)
        position += 2
    if position < len(words) and words[position].text == "(":
        names.pop()
    return tuple(names)
