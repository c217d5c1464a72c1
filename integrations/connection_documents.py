"""Connections as documents: what the API, files and the command line say of one; it never saves any."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, fields

import yaml

from integrations.connections import ConnectionSpec
from integrations.errors import WrongConnection

_NESTED = ("options", "secrets", "headers")
_FORMS: Mapping[type, tuple[Callable[[object], bool], str]] = {
    str: (lambda value: isinstance(value, str), "must be a text"),
    bool: (lambda value: isinstance(value, bool), "must be true or false"),
    int: (lambda value: isinstance(value, int) and not isinstance(value, bool), "must be a whole number"),
    float: (lambda value: isinstance(value, int | float) and not isinstance(value, bool), "must be a number"),
    dict: (lambda value: isinstance(value, Mapping), "must be an object"),
    tuple: (lambda value: isinstance(value, Sequence) and not isinstance(value, str), "must be a list"),
}
"""What a field may hold, by the type of its standard value."""


def read(name: str, document: Mapping[str, object], *, base: ConnectionSpec | None = None) -> ConnectionSpec:
    """This will make a connection of what a document says; what it leaves out is as in `base`, or standard.

    Raises WrongConnection for what is no field or of another type; `connections.check` judges the rest.
    """
    problems = dict(_problems(document))
    if problems:
        raise WrongConnection(problems)
    values = {**({} if base is None else document_of(base)), **document, "name": name}
    values["allowed_hosts"] = tuple(values.get("allowed_hosts", ()))  # type: ignore[arg-type]  # checked: a list
    return ConnectionSpec(**values)  # type: ignore[arg-type]  # checked: each has the type of its field


def document_of(spec: ConnectionSpec) -> dict[str, object]:
    """This will write a connection as a document."""
    return {**asdict(spec), "allowed_hosts": list(spec.allowed_hosts)}


def assigned(texts: Sequence[str], *, base: ConnectionSpec | None) -> dict[str, object]:
    """This will read `field=value` and `options.key=value`, each value as YAML; an empty one takes an inner key away.

    What is inside `options`, `secrets` and `headers` is added to what `base` has there. Raises WrongConnection.
    """
    document: dict[str, object] = {}
    for text in texts:
        path, equals, written = text.partition("=")
        field, dot, key = path.strip().partition(".")
        if not equals:
            raise WrongConnection({text: "must be field=value, such as base_url=https://api.example.com"})
        if not dot:
            document[field] = _value(path, written=written) if written else ""
        elif field in _NESTED:
            inner = document.setdefault(field, dict(getattr(base, field)) if base is not None else {})
            _put(inner, key.split("."), written=written, path=path)
        else:
            raise WrongConnection({path: f"only {', '.join(_NESTED)} have fields inside"})
    return document


def _put(inner: object, keys: Sequence[str], *, written: str, path: str) -> None:
    for key in keys[:-1]:
        if isinstance(inner, dict):
            inner = inner.setdefault(key, {})
    if not isinstance(inner, dict):
        raise WrongConnection({path: "is inside of something that is no object"})
    if written:
        inner[keys[-1]] = _value(path, written=written)
    else:
        inner.pop(keys[-1], None)


def _value(path: str, *, written: str) -> object:
    try:
        value: object = yaml.safe_load(written)
    except yaml.YAMLError as error:
        raise WrongConnection({path: f"is no YAML: {' '.join(str(error).split())}"}) from error
    return value


def _problems(document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    known = {one.name: one for one in fields(ConnectionSpec) if one.name != "name"}
    for field, value in document.items():
        if field == "name":
            continue
        if field not in known:
            yield field, f"is no field of a connection: known are {', '.join(known)}"
            continue
        one = known[field]
        is_right, problem = _FORMS[type(one.default) if one.default is not MISSING else dict]
        if not is_right(value):
            yield field, problem
