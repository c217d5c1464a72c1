"""An OpenAPI document, read as far as a call needs it: operations, parameters, bodies, answers. Pure.

Sources: OpenAPI 3.0.4 and 3.1.1. References lead inside the document only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jsonschema_rs

from integrations.adapters.rest.errors import DoesNotFit

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_MOST_STEPS = 50

Json = Any  # JSON out of a document


@dataclass(frozen=True)
class Parameter:
    """Where a parameter stands, and how its value is written there."""

    name: str
    place: str
    is_required: bool
    style: str
    explode: bool
    schema: Json


@dataclass(frozen=True)
class Operation:
    """One operation of the document."""

    id: str
    method: str
    path: str
    parameters: Sequence[Parameter]
    bodies: Mapping[str, Json]
    """The schema of each media type of the request's body."""
    is_body_required: bool
    answers: Mapping[str, Mapping[str, Json]]
    """The schema of each media type, by status."""


@dataclass(frozen=True)
class Document:
    """A document whose operations can be called by their ids. Raises DoesNotFit when it is none."""

    root: Mapping[str, Json]
    _validators: dict[int, jsonschema_rs.Validator] = field(default_factory=dict)

    def __post_init__(self) -> None:
        version = str(self.root.get("openapi", ""))
        if not version.startswith(("3.0", "3.1")):
            said = version or f"swagger {self.root.get('swagger', '')}".strip()
            raise DoesNotFit(f"the document is no OpenAPI 3.0 or 3.1, but {said or 'something else'}")
        if not isinstance(self.root.get("paths"), Mapping):
            raise DoesNotFit("the document has no paths")

    def operation(self, wanted: str) -> Operation:
        """This will find an operation by its id. Raises DoesNotFit when there is none."""
        found = self._operations.get(wanted)
        if found is None:
            known = ", ".join(sorted(self._operations)[:20])
            raise DoesNotFit(f"the document has no operation {wanted!r}: it has {known or 'none with an operationId'}")
        return found

    def problems(self, value: Json, *, schema: Json, at: str) -> Iterator[str]:
        """This will say what is wrong with a value, each with its path; no message repeats the value."""
        validator = self._validators.get(id(schema))
        if validator is None:
            whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **self._definitions, "allOf": [schema]}
            if self._is_3_0:
                whole = {**whole, "allOf": [modern(schema)]}
            try:
                validator = jsonschema_rs.validator_for(whole, offline=True, mask="the value")
            except (jsonschema_rs.ValidationError, ValueError) as error:
                raise DoesNotFit(f"the document's schema of {at} cannot be used: {str(error)[:300]}") from error
            self._validators[id(schema)] = validator
        for problem in validator.iter_errors(value):
            yield f"{'/'.join([at, *map(str, problem.instance_path)])}: {problem.message}"

    @cached_property
    def _operations(self) -> Mapping[str, Operation]:
        return {operation.id: operation for operation in self._read()}

    @cached_property
    def _definitions(self) -> Mapping[str, Json]:
        components = self.root.get("components") or {}
        schemas = components.get("schemas") or {}
        if self._is_3_0:
            schemas = {name: modern(schema) for name, schema in schemas.items()}
        return {"components": {"schemas": schemas}}

    @property
    def _is_3_0(self) -> bool:
        return str(self.root["openapi"]).startswith("3.0")

    def _read(self) -> Iterator[Operation]:
        for path, item in self.root["paths"].items():
            shared = self._resolved(item)
            for method in METHODS:
                about = shared.get(method)
                if isinstance(about, Mapping) and isinstance(about.get("operationId"), str):
                    yield self._operation(about, path=path, method=method, shared=shared.get("parameters") or ())

    def _operation(self, about: Json, *, path: str, method: str, shared: Sequence[Json]) -> Operation:
        """A parameter of the operation replaces one of the path with the same name and place."""
        parameters = {(one.name, one.place): one for one in map(self._parameter, shared)}
        parameters |= {(one.name, one.place): one for one in map(self._parameter, about.get("parameters") or ())}
        body = self._resolved(about.get("requestBody") or {})
        return Operation(
            id=about["operationId"],
            method=method.upper(),
            path=path,
            parameters=tuple(parameters.values()),
            bodies=_schemas(body),
            is_body_required=bool(body.get("required", False)),
            answers={
                str(status): _schemas(self._resolved(answer))
                for status, answer in (about.get("responses") or {}).items()
            },
        )

    def _parameter(self, given: Json) -> Parameter:
        about = self._resolved(given)
        place = str(about.get("in", ""))
        style = str(about.get("style") or ("form" if place in ("query", "cookie") else "simple"))
        return Parameter(
            name=str(about.get("name", "")),
            place=place,
            is_required=bool(about.get("required", place == "path")),
            style=style,
            explode=bool(about.get("explode", style == "form")),
            schema=about.get("schema", True),
        )

    def _resolved(self, given: Json) -> Json:
        """References lead to references; one that leads in a circle ends."""
        for _ in range(_MOST_STEPS):
            if not isinstance(given, Mapping) or "$ref" not in given:
                return given
            given = self._at(str(given["$ref"]))
        raise DoesNotFit("the document's references lead in a circle")

    def _at(self, reference: str) -> Json:
        if not reference.startswith("#/"):
            raise DoesNotFit(f"the reference {reference} leads out of the document: bundle it into one")
        found: Json = self.root
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or name not in found:
                raise DoesNotFit(f"the reference {reference} leads nowhere")
            found = found[name]
        return found


def modern(schema: Json) -> Json:
    """This will write a schema of OpenAPI 3.0 as JSON Schema 2020-12.

    >>> modern({"type": "string", "nullable": True})
    {'anyOf': [{'type': 'string'}, {'type': 'null'}]}
    >>> modern({"type": "integer", "minimum": 0, "exclusiveMinimum": True})
    {'type': 'integer', 'exclusiveMinimum': 0}
    """
    if isinstance(schema, list):
        return [modern(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {key: modern(value) for key, value in schema.items() if key not in ("nullable", "example")}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(made.get(exclusive), bool):
            is_exclusive = made.pop(exclusive)
            if is_exclusive and bound in made:
                made[exclusive] = made.pop(bound)
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") is True else made


def _schemas(about: Json) -> Mapping[str, Json]:
    content = about.get("content") if isinstance(about, Mapping) else None
    return {
        str(media_type).partition(";")[0].strip().lower(): (described or {}).get("schema", True)
        for media_type, described in (content or {}).items()
    }
