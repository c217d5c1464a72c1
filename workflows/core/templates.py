"""Templates: JSON whose strings may hold `${{ expression }}`; compiling expressions is a callback's work.

A string that is wholly one `${{ ... }}` stands for the typed value; inside other text the value is written
out (strings as they are, everything else as JSON). `$${{` writes `${{`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from workflows.core.definition import JsonValue
from workflows.core.problems import path_to
from workflows.core.tokens import tokens

Context: TypeAlias = Mapping[str, JsonValue]
"""What expressions can see: `input`, `steps`, `run`, and in a `for_each` `item` and `index`."""
Evaluate: TypeAlias = Callable[[Context], JsonValue]
CompileSource: TypeAlias = Callable[[str, str], Evaluate]
"""Makes an expression ready, given its source and the JSON path where it stands."""

_OPEN = "${{"
_DEPTH = {"{": 1, "[": 1, "(": 1, "}": -1, "]": -1, ")": -1}


class TemplateInvalid(ValueError):
    """A template that cannot be read; `path` is where it stands, as far as the caller told."""

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class Code(NamedTuple):
    """The source between `${{` and `}}`."""

    source: str


def parse_template(text: str) -> tuple[str | Code, ...]:
    """This will cut a string into text and code. Raises TemplateInvalid when a `${{` is not closed.

    >>> parse_template("order ${{ input.id }}, not $${{ this }}")
    ('order ', Code(source='input.id'), ', not ${{ this }}')
    """
    parts: list[str | Code] = []
    literal, position = "", 0
    while (opening := text.find(_OPEN, position)) >= 0:
        if opening > position and text[opening - 1] == "$":
            literal += text[position : opening - 1] + _OPEN
            position = opening + len(_OPEN)
            continue
        literal += text[position:opening]
        if literal:
            parts.append(literal)
        end = _end_of_code(text, start=opening + len(_OPEN))
        parts.append(Code(text[opening + len(_OPEN) : end].strip()))
        literal, position = "", end + 2
    literal += text[position:]
    return (*parts, literal) if literal or not parts else tuple(parts)


def has_code(value: object) -> bool:
    """This will tell whether a value is a string with code in it, closed or not."""
    if not isinstance(value, str) or _OPEN not in value:
        return False
    try:
        return any(isinstance(part, Code) for part in parse_template(value))
    except TemplateInvalid:
        return True


def sole_source(text: str) -> str | None:
    """This will give the source when a string is wholly one template, else None."""
    parts = parse_template(text.strip())
    return parts[0].source if len(parts) == 1 and isinstance(parts[0], Code) else None


def build(value: JsonValue, *, compile_source: CompileSource, path: str = "$") -> Evaluate | None:
    """This will make a JSON value ready to evaluate, or give None when it holds no template at all."""
    if isinstance(value, str):
        return _build_text(value, compile_source=compile_source, path=path)
    if isinstance(value, Mapping):
        return _build_mapping(value, compile_source=compile_source, path=path)
    if isinstance(value, Sequence):
        return _build_list(value, compile_source=compile_source, path=path)
    return None


def written(value: JsonValue) -> str:
    """This will write a value into text: strings as they are, everything else as JSON with sorted keys.

    >>> written(True), written(None), written({"b": 1, "a": [1.5]})
    ('true', 'null', '{"a":[1.5],"b":1}')
    """
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _build_text(text: str, *, compile_source: CompileSource, path: str) -> Evaluate | None:
    if _OPEN not in text:
        return None
    try:
        parts = parse_template(text)
    except TemplateInvalid as error:
        raise TemplateInvalid(str(error), path=path) from error
    if len(parts) == 1:
        return _constant(parts[0]) if isinstance(parts[0], str) else compile_source(parts[0].source, path)
    pieces = [part if isinstance(part, str) else compile_source(part.source, path) for part in parts]
    return lambda context: "".join(piece if isinstance(piece, str) else written(piece(context)) for piece in pieces)


def _build_mapping(value: Mapping[str, JsonValue], *, compile_source: CompileSource, path: str) -> Evaluate | None:
    built = {key: build(item, compile_source=compile_source, path=path_to(path, key)) for key, item in value.items()}
    live = [(key, evaluate) for key, evaluate in built.items() if evaluate is not None]
    if not live:
        return None

    def evaluate_mapping(context: Context) -> JsonValue:
        result = dict(value)
        for key, evaluate in live:
            result[key] = evaluate(context)
        return result

    return evaluate_mapping


def _build_list(value: Sequence[JsonValue], *, compile_source: CompileSource, path: str) -> Evaluate | None:
    built = [build(item, compile_source=compile_source, path=path_to(path, index)) for index, item in enumerate(value)]
    live = [(index, evaluate) for index, evaluate in enumerate(built) if evaluate is not None]
    if not live:
        return None

    def evaluate_list(context: Context) -> JsonValue:
        result = list(value)
        for index, evaluate in live:
            result[index] = evaluate(context)
        return result

    return evaluate_list


def _constant(text: str) -> Evaluate:
    return lambda _context: text


def _end_of_code(text: str, *, start: int) -> int:
    """This will find the `}}` that closes a template: not one inside a CEL string, map or list.

    When brackets do not match, the first `}}` outside of strings counts: CEL will say what is wrong.
    """
    depth, earliest = 0, -1
    for token in tokens(text, start=start):
        if token.kind == "other" and text.startswith("}}", token.start):
            if depth == 0:
                return token.start
            earliest = token.start if earliest < 0 else earliest
        depth = max(0, depth + _DEPTH.get(token.text, 0))
    if earliest >= 0:
        return earliest
    raise TemplateInvalid(f"`{_OPEN}` is not closed by `}}}}`")
