"""JSON Schema 2020-12 in the words of this project: what is wrong and where; it fetches nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NoReturn, TypeAlias

import jsonschema_rs
import orjson

from workflows.core.definition import JsonObject, JsonValue
from workflows.core.problems import Problem, path_to, suggestion

_Error: TypeAlias = jsonschema_rs.ValidationError
_META = "https://json-schema.org/draft/2020-12/schema"
_PATTERNS = {
    "^[a-z0-9]+(-[a-z0-9]+)*$": "must be lower-case words joined by hyphens, such as order-to-cash",
    "^[a-z][a-z0-9_]*$": "must begin with a lower-case letter then a-z, 0-9 and _, such as book_line",
}
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
    "number": "a number",
    "integer": "a whole number",
}


class Schema:
    """A compiled schema. Raises ValueError when the schema itself is wrong: see `schema_problems`."""

    def __init__(self, document: JsonObject) -> None:
        self._document = document
        self._validator = jsonschema_rs.Draft202012Validator(dict(document), validate_formats=True, retriever=_refuse)

    def is_valid(self, value: JsonValue) -> bool:
        """This will tell whether a value matches."""
        return self._validator.is_valid(value)

    def problems(
        self, value: JsonValue, *, at: str = "$", is_open: Callable[[object], bool] | None = None
    ) -> list[Problem]:
        """This will say everything that keeps a value from matching; `at` is the JSON path of the value.

        Values for which `is_open` is true are not known yet and match whatever is wanted in their place.
        """
        if self._validator.is_valid(value):  # ten times faster than collecting errors
            return []
        found: list[Problem] = []
        for error in self._validator.iter_errors(value):
            if is_open is None or not _is_excused(error, is_open=is_open):
                found.extend(self._explain(error, at=at))
        return found

    def _explain(self, error: _Error, *, at: str) -> Iterator[Problem]:
        path = path_to(at, *error.instance_path)
        kind = error.kind
        match kind:
            case jsonschema_rs.ValidationErrorKind.AdditionalProperties():
                known = self._known_keys(error.schema_path)
                for key in kind.unexpected:
                    hint = suggestion(key, known=known, noun="key")
                    yield Problem(path_to(path, key), f"there is no key {key!r} here", hint)
            case jsonschema_rs.ValidationErrorKind.PropertyNames():
                name = str(kind.error.instance)
                yield Problem(path_to(path, name), f"{name!r} cannot be a name: it {_why_not_name(kind.error)}")
            case jsonschema_rs.ValidationErrorKind.AnyOf() | jsonschema_rs.ValidationErrorKind.OneOfNotValid():
                yield from self._explain_choice(error, branches=kind.context, at=at)
            case _:
                message, hint = _worded(error)
                yield Problem(path, message, hint)

    def _explain_choice(self, error: _Error, *, branches: list[list[_Error]], at: str) -> Iterator[Problem]:
        """This will explain the branch that came nearest: failed deepest, at the fewest places."""
        if any(inner.kind.name != "type" or _depth(inner) > _depth(error) for branch in branches for inner in branch):
            nearest = max(branches, key=lambda branch: (max(map(_rank, branch), default=(0, 0)), -len(branch)))
            for inner in nearest:
                yield from self._explain(inner, at=at)
            return
        wanted = [inner.kind.value for branch in branches for inner in branch]
        yield Problem(path_to(at, *error.instance_path), _type_message(_flat(wanted), error.instance))

    def _known_keys(self, schema_path: Sequence[str | int]) -> list[str]:
        node: Any = self._document  # Any: a schema may hold anything anywhere
        for key in schema_path[:-1]:
            try:
                node = node[key]
            except (KeyError, IndexError, TypeError):
                return []
        properties = node.get("properties", {}) if isinstance(node, Mapping) else {}
        return list(properties) if isinstance(properties, Mapping) else []


def schema_problems(document: JsonObject, *, at: str = "$") -> list[Problem]:
    """This will say what is wrong with a schema itself."""
    named = document.get("$schema", _META)
    if named != _META:
        return [Problem(path_to(at, "$schema"), f"only JSON Schema 2020-12 is understood, not {named!r}", _META)]
    found = _meta_schema().problems(document, at=at)
    if found:
        return found
    try:
        Schema(document)
    except ValueError as error:
        message = str(getattr(error, "message", error))
        if "retrieving it failed" in message:
            return [
                Problem(
                    at,
                    "the schema refers to another document",
                    "put it under `$defs` and refer to `#/$defs/...`",
                )
            ]
        path = path_to(at, *getattr(error, "instance_path", ()))
        return [Problem(path, f"the schema cannot be used: {message}")]
    return []


@lru_cache(maxsize=1)
def _meta_schema() -> Schema:
    return Schema({"$ref": _META})


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is another document")


def _is_excused(error: _Error, *, is_open: Callable[[object], bool]) -> bool:
    """This will tell whether an error vanishes once the open values are known."""
    if is_open(error.instance):
        return True
    kind = error.kind
    match kind:
        case jsonschema_rs.ValidationErrorKind.AnyOf() | jsonschema_rs.ValidationErrorKind.OneOfNotValid():
            return any(all(_is_excused(inner, is_open=is_open) for inner in branch) for branch in kind.context)
        case _:
            return False


def _worded(error: _Error) -> tuple[str, str]:
    match error.kind.name:
        case "type":
            return _type_message(_flat([error.kind.value]), error.instance), ""
        case "required":
            return f"`{getattr(error.kind, 'property', error.kind.value)}` is missing", ""
        case "enum":
            options = [str(option) for option in error.kind.value]
            return f"{_shown(error.instance)} is not allowed here", suggestion(
                str(error.instance), known=options, noun="value"
            )
        case "pattern" if error.kind.value in _PATTERNS:
            return f"{_shown(error.instance)} {_PATTERNS[error.kind.value]}", ""
        case "falseSchema":
            return "cannot stand beside what else is here", "take one of them out"
        case "format":
            return f"{_shown(error.instance)} is not a valid {error.kind.value}", ""
        case "minProperties" | "minItems" if error.kind.value == 1:
            return "must not be empty", ""
        case _:
            return error.message if len(error.message) <= 300 else f"does not fit `{error.kind.name}`", ""


def _why_not_name(error: _Error) -> str:
    if error.kind.name == "pattern" and error.kind.value in _PATTERNS:
        return str(_PATTERNS[error.kind.value])
    if error.kind.name == "not":
        return "is a word of the expression language"
    return f"does not fit: {error.message}"


def _type_message(wanted: Sequence[str], value: object) -> str:
    names = " or ".join(_TYPES.get(name, name) for name in dict.fromkeys(wanted))
    return f"must be {names}, not {_shown(value)}"


def _flat(values: Sequence[object]) -> list[str]:
    return [str(name) for value in values for name in (value if isinstance(value, list) else [value])]


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = orjson.dumps(value).decode() if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _depth(error: _Error) -> int:
    return len(error.instance_path)


def _rank(error: _Error) -> tuple[int, int]:
    return _depth(error), error.kind.name == "enum"
