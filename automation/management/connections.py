"""Lists, shows and tests connections, makes and changes them; a secret is only ever named."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import yaml
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation.management.subcommand import Subcommand, bad_input, operator
from integrations import connection_documents, kinds, operations, probes, queries

_EXAMPLE = "base_url=https://api.example.com, options.port=5432 or secrets.password=env:SHOP_PASSWORD"


def _add_connections(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=False)
    listed = actions.add_parser("list", help="the connections")
    listed.add_argument("--kind", default="")
    listed.add_argument("--environment", default="", choices=["live", "test"])
    actions.add_parser("show", help="all that a connection says").add_argument("name")
    actions.add_parser("kinds", help="the kinds there are, and what a connection of each may say")
    tested = actions.add_parser("probe", help="test connections, with no effect outside; 1 when one is not well")
    tested.add_argument("names", nargs="*", metavar="NAME", help="which ones; none: all of them")
    set_to = actions.add_parser("set", help="make a connection, or change what is named")
    set_to.add_argument("name")
    set_to.add_argument("fields", nargs="*", metavar="FIELD=VALUE", help=_EXAMPLE)
    set_to.add_argument("--file", type=Path, help="YAML or JSON with all of it: what it leaves out becomes standard")


def _connections(options: argparse.Namespace, console: Console) -> int:
    match options.action:
        case "set":
            _set(options, console)
        case "probe":
            return _probe(options.names, console)
        case "show":
            _show(options.name, console)
        case "kinds":
            _kinds(console)
        case _:
            kind, environment = (getattr(options, name, "") for name in ("kind", "environment"))
            _list(console, kind=kind, environment=environment)
    return 0


def _list(console: Console, *, kind: str, environment: str) -> None:
    table = Table("connection", "kind", "environment", "address", "owner", "changed", "is")
    for row in queries.connections(kind=kind, environment=environment):
        changed = f"{row.updated_at:%Y-%m-%d %H:%M}"
        health = "not tested" if row.is_well is None else "well" if row.is_well else "not well"
        table.add_row(row.name, row.kind, row.environment, row.base_url, row.owner, changed, health)
    console.print(table)


def _show(name: str, console: Console) -> None:
    document = connection_documents.document_of(queries.get_connection(name))
    console.print(yaml.safe_dump(document, sort_keys=False), end="", highlight=False, markup=False)


def _probe(names: Sequence[str], console: Console) -> int:
    table = Table("connection", "is", "found", "took")
    is_all_well = True
    for name in names or queries.connections().values_list("name", flat=True):
        found = probes.probe(name=name, actor=operator(), now=timezone.now())
        is_all_well = is_all_well and found.is_well
        table.add_row(name, "well" if found.is_well else "not well", found.detail, f"{found.took_s * 1000:.0f} ms")
    console.print(table)
    return 0 if is_all_well else 1


def _kinds(console: Console) -> None:
    table = Table("kind", "used by", "options", "secrets")
    for name, kind in sorted(kinds.kinds().items()):
        options = kind.schema.get("properties")
        named = ", ".join(options) if isinstance(options, Mapping) else ""
        table.add_row(name, ", ".join(kind.uses), named, ", ".join(kind.secret_names))
    console.print(table)


def _set(options: argparse.Namespace, console: Console) -> None:
    base = queries.find_connection(options.name)
    if options.file is not None:
        if options.fields:
            raise bad_input("give --file or fields, not both")
        spec = connection_documents.read(options.name, _document(options.file))
    else:
        document = connection_documents.assigned(options.fields, base=base)
        spec = connection_documents.read(options.name, document, base=base)
    is_changed = operations.save_connection(
        spec=spec, actor=operator(), now=timezone.now(), correlation_id=str(uuid4())
    )
    done = "is as it was" if not is_changed else "is made" if base is None else "is changed"
    console.print(f"{options.name} {done}", highlight=False)


def _document(path: Path) -> Mapping[str, object]:
    try:
        document: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise bad_input(f"{path}: {error}") from error
    if not isinstance(document, Mapping):
        raise bad_input(f"{path}: must be a mapping such as {{base_url: https://api.example.com}}")
    return document


SUBCOMMANDS = (
    Subcommand(
        name="connections",
        help="list connections; show, test, make or change one",
        add_arguments=_add_connections,
        run=_connections,
    ),
)
