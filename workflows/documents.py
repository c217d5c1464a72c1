"""Text to document: YAML 1.2 or JSON, with the place of every value; it never judges what a document means.

Of YAML it takes the core schema: `on`, `yes` and dates are text, `true` and `false` are the only booleans.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, NoReturn, TypeAlias, cast

import orjson
import yaml

from workflows.core.definition import JsonObject, JsonValue
from workflows.core.problems import DefinitionInvalid, Problem, path_to

MAX_BYTES = 262_144
MAX_ALIASES = 50
MAX_VALUES = 50_000
MAX_DEPTH = 64
_PARENT = re.compile(r"(?:\.[A-Za-z_]\w*|\[\d+\]|\['(?:\\.|[^'\\])*'\])$", re.ASCII)
_TAG = "tag:yaml.org,2002:"
_Mark: TypeAlias = Any  # yaml.Mark, whose stubs leave it untyped


class Position(NamedTuple):
    """Where something stands in a text; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document and, by JSON path, where its values stand (of a key's value: where the key stands)."""

    document: JsonObject
    positions: Mapping[str, Position] = field(default_factory=dict)

    def locate(self, problem: Problem) -> Problem:
        """This will add line and column to a problem: of its path, or of the nearest place around it."""
        path = problem.path
        while path not in self.positions:
            shorter = _PARENT.sub("", path)
            if shorter == path:
                return problem
            path = shorter
        position = self.positions[path]
        return replace(problem, line=position.line, column=position.column)


class _CoreLoader(yaml.CSafeLoader):
    """The scalars of YAML's core schema, without its infinities."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _name, _pattern, _begins in (
    ("null", r"(?:~|null|Null|NULL|)", "~nN\0"),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", "tTfF"),
    ("int", r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _CoreLoader.add_implicit_resolver(
        _TAG + _name, re.compile(f"^{_pattern}$"), ["" if char == "\0" else char for char in _begins]
    )


def parse_document(text: str) -> ParsedDocument:
    """This will read YAML or JSON text. Raises DefinitionInvalid, with the line, for what cannot be read."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise _invalid(f"the text is not valid Unicode at character {error.start + 1}") from error
    if size > MAX_BYTES:
        raise _invalid(f"the text is {size} bytes long: at most {MAX_BYTES} are allowed")
    found = _json_value(text) if text.lstrip()[:1] == "{" else None
    try:
        parsed = _parse_yaml(text)
    except yaml.YAMLError as error:
        if found is not None:
            return ParsedDocument(found)
        raise _syntax_problem(error) from error
    return parsed if found is None else replace(parsed, document=found)


def content_hash(document: JsonObject) -> str:
    """This will identify a document by its content: SHA-256 (hex) of its JSON with sorted keys.

    >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _json_value(text: str) -> JsonObject | None:
    """This will read JSON, or give None for anything else (doubled keys are left to YAML to report)."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
        orjson.dumps(value)
    except (ValueError, TypeError, RecursionError):
        return None
    return value if isinstance(value, dict) and '"' in text else None


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _parse_yaml(text: str) -> ParsedDocument:
    _check_size(text)
    node = yaml.compose(text, Loader=_CoreLoader)
    if not isinstance(node, yaml.MappingNode):
        raise _invalid("a definition is a mapping with `name` and `steps`", mark=node.start_mark if node else None)
    reader = _Reader()
    document = cast("JsonObject", reader.value(node, path="$"))  # a mapping node gives a dict
    if reader.problems:
        raise DefinitionInvalid(reader.problems)
    return ParsedDocument(document, reader.positions)


def _check_size(text: str) -> None:
    """This will refuse, before anything is built, what would cost too much to build."""
    depth = aliases = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            aliases += 1
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _invalid(f"nested too deeply: at most {MAX_DEPTH} levels", mark=event.start_mark)
        if aliases > MAX_ALIASES:
            raise _invalid(f"too many aliases: at most {MAX_ALIASES}", mark=event.start_mark)
        if count > 2 * MAX_VALUES:
            raise _invalid(f"too many values: at most {MAX_VALUES}", mark=event.start_mark)


class _Reader:
    """Turns nodes into JSON values and notes where they stand."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.positions: dict[str, Position] = {}
        self._open: set[int] = set()
        self._count = 0

    def value(self, node: yaml.Node, *, path: str) -> JsonValue:
        """This will give the value of a node, None where it has a problem."""
        self._count += 1
        if self._count > MAX_VALUES:
            raise _invalid(f"too many values: at most {MAX_VALUES}", mark=node.start_mark)
        self.positions.setdefault(path, _position(node.start_mark))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path=path)
        if id(node) in self._open:
            raise _invalid("an alias refers to the value it stands in", mark=node.start_mark)
        self._open.add(id(node))
        try:
            return self._collection(node, path=path)
        finally:
            self._open.discard(id(node))

    def _collection(self, node: yaml.Node, *, path: str) -> JsonValue:
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path=path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.value(item, path=path_to(path, index)) for index, item in enumerate(node.value)]
        self._report(path, f"the tag {node.tag!r} is not supported", node.start_mark, hint="leave it out")
        return None

    def _mapping(self, node: yaml.MappingNode, *, path: str) -> JsonValue:
        found: dict[str, JsonValue] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != _TAG + "str":
                shown = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a collection"
                self._report(path, f"a key must be text, not {shown}", key.start_mark, hint="put it in quotes")
                continue
            below = path_to(path, key.value)
            if key.value in found:
                line = self.positions[below].line
                self._report(below, f"the key {key.value!r} is here twice", key.start_mark, hint=f"see line {line}")
                continue
            self.positions[below] = _position(key.start_mark)
            found[key.value] = self.value(item, path=below)
        return found

    def _scalar(self, node: yaml.ScalarNode, *, path: str) -> JsonValue:
        text: str = node.value
        try:
            match node.tag.removeprefix(_TAG):
                case "str" if "\0" in text:
                    raise ValueError("the text holds a NUL character, which cannot be stored")
                case "str":
                    return text
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return self._integer(text)
                case "float":
                    return self._float(text)
        except ValueError as error:
            self._report(path, str(error), node.start_mark, hint="correct or quote it")
            return None
        self._report(path, f"the tag {node.tag!r} is not supported", node.start_mark, hint="leave it out")
        return None

    def _integer(self, text: str) -> int:
        base = 0 if text[:2] in ("0o", "0x") else 10
        value = int(text, base) if len(text) <= 24 else 2**64
        if not -(2**63) <= value < 2**63:
            raise ValueError("the integer does not fit into 64 bits")
        return value

    def _float(self, text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError("the number is too large")
        return value

    def _report(self, path: str, message: str, mark: _Mark, *, hint: str) -> None:
        position = _position(mark)
        self.problems.append(Problem(path, message, hint, position.line, position.column))


def _position(mark: _Mark) -> Position:
    return Position(mark.line + 1, mark.column + 1)


def _invalid(message: str, *, mark: _Mark = None) -> DefinitionInvalid:
    line, column = (None, None) if mark is None else _position(mark)
    return DefinitionInvalid([Problem("$", message, "", line, column)])


def _syntax_problem(error: yaml.YAMLError) -> DefinitionInvalid:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return _invalid(f"the text is neither YAML nor JSON: {said}", mark=mark)
