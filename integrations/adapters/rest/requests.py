"""The request an operation stands for, and whether an answer is what the document says. Pure.

A request is written as the inputs of `http.request`, so both are sent and judged alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from integrations.adapters.rest.errors import DoesNotFit
from integrations.adapters.rest.openapi import Document, Operation, Parameter

_FORM = "application/x-www-form-urlencoded"
_DELIMITERS = {"spaceDelimited": " ", "pipeDelimited": "|", "form": ","}


def request(
    document: Document, operation: Operation, *, parameters: Mapping[str, Any], body: Any, has_body: bool
) -> Mapping[str, Any]:
    """This will make the inputs of `http.request`. Raises DoesNotFit, naming all that is wrong. Any: JSON."""
    problems = [*_parameter_problems(document, operation, parameters=parameters)]
    media_type = _media_type(operation) if has_body else None
    if has_body and media_type is None:
        problems.append(f"with/body: {operation.id} takes no body that can be sent")
    elif media_type is not None:
        problems += document.problems(body, schema=operation.bodies[media_type], at="with/body")
    elif operation.is_body_required:
        problems.append(f"with/body: {operation.id} needs a body")
    if problems:
        raise DoesNotFit("; ".join(problems[:10]))
    made = {"method": operation.method, **_placed(operation, parameters=parameters)}
    if media_type is not None:
        made |= _written(body, media_type=media_type)
        made["headers"] = {**made["headers"], "Content-Type": media_type}
    return made


def answer_problems(document: Document, operation: Operation, *, status: int, body: Any) -> Sequence[str]:
    """This will say where an answer is not what the document says; one it does not describe is not judged."""
    described = operation.answers.get(str(status))
    if described is None:
        described = operation.answers.get(f"{status // 100}XX", operation.answers.get("default", {}))
    schema = next((schema for media_type, schema in described.items() if _is_json(media_type)), None)
    if schema is None:
        return ()
    return list(document.problems(body, schema=schema, at="body"))[:10]


def _parameter_problems(document: Document, operation: Operation, *, parameters: Mapping[str, Any]) -> Iterator[str]:
    known = {parameter.name for parameter in operation.parameters}
    for name in parameters.keys() - known:
        has = ", ".join(sorted(known)) or "none"
        yield f"with/parameters/{name}: {operation.id} has no such parameter: it has {has}"
    for parameter in operation.parameters:
        at = f"with/parameters/{parameter.name}"
        if parameter.name in parameters:
            if parameter.place == "cookie":
                yield f"{at}: cookies are not sent"
            yield from document.problems(parameters[parameter.name], schema=parameter.schema, at=at)
        elif parameter.is_required:
            yield f"{at}: is required"


def _placed(operation: Operation, *, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Path, query and headers with the values of the parameters in them."""
    path = operation.path
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    for parameter in operation.parameters:
        if parameter.name not in parameters:
            continue
        value = parameters[parameter.name]
        if parameter.place == "path":
            path = path.replace(f"{{{parameter.name}}}", quote(_simple(value), safe=""))
        elif parameter.place == "header":
            headers[parameter.name] = _simple(value)
        else:
            query |= dict(_query(parameter, value))
    return {"path": path, "query": query, "headers": headers}


def _media_type(operation: Operation) -> str | None:
    offered = operation.bodies
    found = next((media_type for media_type in offered if _is_json(media_type)), None)
    return found or next((media_type for media_type in (_FORM, "text/plain") if media_type in offered), None)


def _written(body: Any, *, media_type: str) -> Mapping[str, Any]:
    if _is_json(media_type):
        return {"json": body}
    if media_type == _FORM and isinstance(body, Mapping):
        return {"body": urlencode([(key, _text(value)) for key, value in body.items()])}
    return {"body": _text(body)}


def _query(parameter: Parameter, value: Any) -> Iterator[tuple[str, Any]]:
    """How OpenAPI writes lists and objects into a query: its styles form, deepObject and the delimited ones."""
    name = parameter.name
    if isinstance(value, Mapping):
        if parameter.style == "deepObject":
            yield from ((f"{name}[{key}]", item) for key, item in value.items())
        elif parameter.explode:
            yield from value.items()
        else:
            yield name, ",".join(f"{key},{_text(item)}" for key, item in value.items())
    elif isinstance(value, list) and not parameter.explode:
        yield name, _DELIMITERS.get(parameter.style, ",").join(map(_text, value))
    else:
        yield name, value


def _simple(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, value))
    if isinstance(value, Mapping):
        return ",".join(f"{key},{_text(item)}" for key, item in value.items())
    return _text(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_json(media_type: str) -> bool:
    return media_type == "application/json" or media_type.endswith("+json")
