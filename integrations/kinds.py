"""The kinds of connections there are, as the adapters declare them; it never reads a connection."""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import jsonschema_rs

from integrations import credentials, registry
from integrations.contract import Adapter, ConnectionKind, ConnectionSettings, Health
from integrations.errors import AdapterNameTaken

STANDARD = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What connections of one kind say, and which adapters use them. `schema` is that of `options`."""

    name: str
    schema: Mapping[str, object]
    secret_names: tuple[str, ...]
    speaks_http: bool
    uses: tuple[str, ...]
    probe: Callable[..., Health]

    def try_out(self, connection: ConnectionSettings, *, timeout_s: float) -> Health:
        """This will find out, with no effect outside, whether a connection works."""
        return self.probe(connection=connection, timeout_s=timeout_s)


@functools.cache
def kinds() -> Mapping[str, Kind]:
    """This will give all kinds by name; read once per process. Raises AdapterNameTaken when adapters disagree."""
    return table(registry.adapters().values())


def table(adapters: Collection[Adapter]) -> Mapping[str, Kind]:
    """This will gather what the adapters say of their connections. Raises AdapterNameTaken when two disagree."""
    found: dict[str, Kind] = {}
    for adapter in adapters:
        if isinstance(adapter, ConnectionKind):
            said = _of(adapter, name=adapter.name)
            known = found.get(said.name, said)
            if (known.schema, known.secret_names) != (said.schema, said.secret_names):
                other = known.uses[0]
                message = f"{adapter.name} says something else of connections of kind {said.name!r} than {other}"
                raise AdapterNameTaken(f"{message}: make it another kind, or let both say the same")
            uses = tuple(dict.fromkeys((*known.uses, adapter.name)))
            found[said.name] = Kind(
                name=known.name,
                schema=known.schema,
                secret_names=known.secret_names,
                speaks_http=known.speaks_http,
                uses=uses,
                probe=known.probe,
            )
    return found


@functools.cache
def by_use() -> Mapping[str, str]:
    """This will name the kind of connection each adapter needs, by its name; one that is not there takes any."""
    return {use: kind.name for kind in kinds().values() for use in kind.uses}


def mismatch(*, uses: str, wanted: str, connection: str, kind: str) -> str:
    """This will say that a step's connection is of the wrong kind."""
    return f"{uses} needs a connection of the kind {wanted!r}: {connection} is of the kind {kind!r}"


def problems_of(kind: Kind, *, options: object, secrets: object) -> Iterator[tuple[str, str]]:
    """This will give what is wrong with the options and secrets of a connection of a kind, each at its JSON path."""
    if not isinstance(options, Mapping):
        yield "options", "must be an object"
    else:
        for error in _validator(kind.name).iter_errors(dict(options)):
            yield path_of("options", error.instance_path), str(error.message)
    if not isinstance(secrets, Mapping):
        yield "secrets", 'must be an object of names and references, such as {"password": "env:SHOP_PASSWORD"}'
        return
    for name, reference in secrets.items():
        if name not in kind.secret_names:
            known = ", ".join(kind.secret_names) or "none"
            yield f"secrets.{name}", f"is no secret of connections of the kind {kind.name}: known are {known}"
        elif problem := credentials.problem_of(str(reference)):
            yield f"secrets.{name}", problem


def path_of(field: str, place: Collection[str | int]) -> str:
    """This will write where in a field something stands.

    >>> path_of("options", ["hosts", 0, "port"])
    'options.hosts[0].port'
    """
    return field + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)


@functools.cache
def _validator(name: str) -> jsonschema_rs.Validator:
    """It fetches no reference, and its messages never repeat a value: it may be a secret in the wrong place."""
    return jsonschema_rs.validator_for(dict(kinds()[name].schema), offline=True, mask="the value")


def _of(adapter: ConnectionKind, *, name: str) -> Kind:
    return Kind(
        name=adapter.kind,
        schema=adapter.connection_schema,
        secret_names=tuple(adapter.secret_names),
        speaks_http=bool(getattr(adapter, "speaks_http", False)),
        uses=(name,),
        probe=adapter.probe,
    )
