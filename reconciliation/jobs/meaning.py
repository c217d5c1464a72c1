"""What is wrong with the document of a job beyond its shape, each with its path and what would be right.

It reads which connections there are, where a source names one, and nothing else.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings

from integrations import kinds
from integrations import queries as connections
from integrations import registry as adapters
from reconciliation import registry
from reconciliation.core.comparators import number
from workflows.core.definition import JsonObject
from workflows.core.durations import DurationInvalid, parse_duration
from workflows.core.problems import Problem, path_to, suggestion
from workflows.core.templates import TemplateInvalid
from workflows.expressions import ExpressionInvalid, Scope, compile_condition, compile_expression, compile_value

_Document = Mapping[str, Any]  # Any: the schema says what it holds
RECORD = Scope(steps=frozenset(), roots=frozenset({"record"}))
VARIANCE = Scope(steps=frozenset(), roots=frozenset({"variance"}))
CALL = Scope(steps=frozenset(), roots=frozenset({"page", "reads_from", "reads_to"}))
ANSWER = Scope(steps=frozenset(), roots=frozenset({"output", "page"}))
DAY = Scope(steps=frozenset(), roots=frozenset({"day"}))
_LENGTHS = (("grace",), ("window", "last"), ("window", "lag"), ("window", "margin"))
_TAKES = {
    "exact": frozenset[str](),
    "text": frozenset[str](),
    "number": frozenset({"absolute", "relative"}),
    "money": frozenset({"tolerance", "unit", "currency"}),
    "time": frozenset({"skew"}),
}
_OF_ANY = frozenset({"compare", "left", "right"})


def problems(document: JsonObject) -> Iterator[Problem]:
    """This will give what is wrong with a document whose shape is right."""
    found: _Document = document
    for keys in _LENGTHS:
        yield from _length_problems(found, keys)
    yield from _time_problems(found)
    for name, one in found.get("fields", {}).items():
        if isinstance(one, Mapping):
            yield from _field_problems(one, at=path_to("$.fields", name))
    for side in ("left", "right"):
        yield from _source_problems(found[side], at=path_to("$", side))
    yield from _name_problems(found)
    names: set[str] = set()
    for index, rule in enumerate(found.get("rules", ())):
        at = path_to("$.rules", index)
        if rule["name"] in names:
            yield Problem(path_to(at, "name"), f"another rule is called {rule['name']!r}", "names tell them apart")
        names.add(rule["name"])
        yield from _rule_problems(rule, document=found, at=at)


def listed(key: object) -> Sequence[Any]:
    """This will give the columns of the key, also where it is one."""
    return key if isinstance(key, list) else [key]


def _length_problems(found: _Document, keys: tuple[str, ...]) -> Iterator[Problem]:
    value: Any = found
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    if value is not None:
        yield from _duration_problems(value, at=path_to("$", *keys))


def _duration_problems(value: object, *, at: str) -> Iterator[Problem]:
    try:
        parse_duration(value)
    except DurationInvalid as error:
        yield Problem(at, str(error))


def _time_problems(found: _Document) -> Iterator[Problem]:
    for name in ("window", "grace"):
        if name in found and "time" not in found:
            yield Problem(path_to("$", name), "it needs to know when a record happened", "name the column in `time`")
    zone = found.get("timezone", "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        yield Problem("$.timezone", f"there is no time zone {zone!r}", "write a name such as Europe/Berlin")


def _field_problems(one: _Document, *, at: str) -> Iterator[Problem]:
    kind = one.get("compare", "exact")
    for key in one.keys() - _OF_ANY - _TAKES[kind]:
        takers = [name for name, keys in _TAKES.items() if key in keys]
        yield Problem(path_to(at, key), f"`{key}` is not for `compare: {kind}`", f"it is for {', '.join(takers)}")
    for key in ("absolute", "relative", "tolerance"):
        if key in one:
            yield from _amount_problems(one[key], at=path_to(at, key))
    if "skew" in one:
        yield from _duration_problems(one["skew"], at=path_to(at, "skew"))


def _amount_problems(value: object, *, at: str) -> Iterator[Problem]:
    found = number(value)
    if found is None or found < 0:
        yield Problem(at, f"{value!r} is no amount", 'write a number that is not negative, such as "0.01"')


def _source_problems(one: _Document, *, at: str) -> Iterator[Problem]:
    if "where" in one:
        yield from _condition_problems(one["where"], scope=RECORD, at=path_to(at, "where"))
    match one:
        case {"function": options}:
            wrong = registry.problem_of(
                options["call"], args=options.get("args", {}), at=path_to(at, "function", "call")
            )
            if wrong is not None:
                yield wrong
        case {"file": options}:
            yield from _file_problems(options, at=path_to(at, "file"))
        case {"sql": options}:
            yield from _sql_problems(options, at=path_to(at, "sql"))
        case {"pages": options}:
            yield from _pages_problems(options, at=path_to(at, "pages"))


def _file_problems(options: _Document, *, at: str) -> Iterator[Problem]:
    if not settings.RECONCILIATION_FILES:
        yield Problem(at, "no file may be read here", "set RECONCILIATION_FILES to the folder jobs read from")
    path = options["path"]
    if path.startswith("/") or ".." in path.split("/"):
        yield Problem(path_to(at, "path"), f"{path!r} leads out of RECONCILIATION_FILES", "write a path inside it")
    if "format" not in options and not path.endswith((".csv", ".jsonl")):
        yield Problem(path_to(at, "format"), "neither csv nor jsonl is known from the name", "write `format`")
    yield from _value_problems(path, scope=DAY, at=path_to(at, "path"))


def _sql_problems(options: _Document, *, at: str) -> Iterator[Problem]:
    if "connection" in options:
        if "sql.query" not in adapters.adapters():
            yield Problem(path_to(at, "connection"), "the adapter sql.query is not installed", "install it")
        yield from _connection_problems(options["connection"], uses="sql.query", at=path_to(at, "connection"))
    elif not settings.RECONCILIATION_OWN_SQL:
        hint = "set RECONCILIATION_OWN_SQL, register a function, or name a `connection`"
        yield Problem(at, "SQL over the platform's own database is not allowed here", hint)
    known = {*options.get("params", {}), "reads_from", "reads_to"}
    for name in sorted(set(PARAMETER.findall(options["query"])) - known):
        hint = suggestion(name, known=known, noun="parameter")
        yield Problem(path_to(at, "query"), f"there is no parameter :{name}", hint)


PARAMETER = re.compile(r"(?<![:\w']):([a-z_]\w*)")
"""A named parameter of SQL, and no cast (`::text`)."""


def _pages_problems(options: _Document, *, at: str) -> Iterator[Problem]:
    known = adapters.adapters()
    if options["uses"] not in known:
        hint = suggestion(options["uses"], known=known, noun="adapter")
        yield Problem(path_to(at, "uses"), f"there is no adapter {options['uses']!r}", hint)
    elif "connection" in options:
        yield from _connection_problems(options["connection"], uses=options["uses"], at=path_to(at, "connection"))
    yield from _value_problems(options["with"], scope=CALL, at=path_to(at, "with"))
    for key in ("records", "cursor"):
        if key in options:
            yield from _expression_problems(options[key], scope=ANSWER, at=path_to(at, key))
    if "timeout" in options:
        yield from _duration_problems(options["timeout"], at=path_to(at, "timeout"))


def _connection_problems(name: str, *, uses: str, at: str) -> Iterator[Problem]:
    """A job is read as it stands: unlike a step's, its connection must be there when it is published."""
    kind, wanted = connections.kinds_of([name]).get(name), kinds.by_use().get(uses)
    if kind is None:
        yield Problem(at, f"there is no connection {name!r}", "save the connection first, or mend the name")
    elif wanted is not None and kind != wanted:
        message = f"{uses} needs a connection of the kind {wanted!r}, {name} is of the kind {kind!r}"
        yield Problem(at, message, "name another connection")


def _name_problems(found: _Document) -> Iterator[Problem]:
    fields = found.get("fields", {})
    amount = found.get("amount")
    if amount is not None and amount not in fields:
        yield Problem("$.amount", f"there is no field {amount!r}", suggestion(amount, known=fields, noun="field"))
    known = {*fields, *found.get("show", ())}
    for index, name in enumerate(found.get("redact", ())):
        if name not in known:
            hint = suggestion(name, known=known, noun="field")
            yield Problem(path_to("$.redact", index), f"there is no field and nothing shown called {name!r}", hint)


def _rule_problems(rule: _Document, *, document: _Document, at: str) -> Iterator[Problem]:
    fields = document.get("fields", {})
    right = rule["right"]
    named = [("fields", index, name) for index, name in enumerate(rule.get("fields", ()))]
    sides = [("right", name, name) for name in right] if isinstance(right, Mapping) else []
    for place, index, name in (*named, *sides):
        if name not in fields:
            hint = suggestion(name, known=fields, noun="field")
            yield Problem(path_to(at, place, index), f"there is no field {name!r}", hint)
    if "if" in rule:
        yield from _condition_problems(rule["if"], scope=VARIANCE, at=path_to(at, "if"))
    yield from _limit_problems(rule, document=document, at=at)
    yield from _redacted_problems(rule.get("repair"), hidden=document.get("redact", ()), at=path_to(at, "repair"))


def _limit_problems(rule: _Document, *, document: _Document, at: str) -> Iterator[Problem]:
    for place, key in (("cap", "amount"), ("approval", "amount"), ("approval", "total")):
        value = rule.get(place, {}).get(key)
        if value is None:
            continue
        yield from _amount_problems(value, at=path_to(at, place, key))
        if "amount" not in document:
            yield Problem(
                path_to(at, place, key), "nobody knows what a variance is worth", "name the field in `amount`"
            )
    approval = rule.get("approval")
    if approval is not None and not {"amount", "count", "total"} & approval.keys():
        yield Problem(
            path_to(at, "approval"), "above what people are asked is not said", "write amount, count or total"
        )
    for place in ("approval", "cap"):
        if place in rule and "repair" not in rule:
            yield Problem(path_to(at, place), "there is nothing to limit", "write `repair`, or leave it out")


def _redacted_problems(value: object, *, hidden: Iterable[str], at: str) -> Iterator[Problem]:
    """A repair sees what is kept, and what is kept masked would be sent masked."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _redacted_problems(item, hidden=hidden, at=path_to(at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _redacted_problems(item, hidden=hidden, at=path_to(at, index))
    elif isinstance(value, str):
        for name in hidden:
            if re.search(rf"\b(?:left|right|correct)\.{re.escape(name)}\b", value):
                yield Problem(at, f"{name!r} is kept masked", "read it again in the repair, or do not redact it")


def _condition_problems(source: str, *, scope: Scope, at: str) -> Iterator[Problem]:
    try:
        compile_condition(source, scope=scope)
    except ExpressionInvalid as error:
        yield Problem(at, error.message, error.hint)


def _expression_problems(source: str, *, scope: Scope, at: str) -> Iterator[Problem]:
    try:
        compile_expression(source, scope=scope)
    except ExpressionInvalid as error:
        yield Problem(at, error.message, error.hint)


def _value_problems(value: Any, *, scope: Scope, at: str) -> Iterator[Problem]:  # Any: JSON
    try:
        compile_value(value, scope=scope)
    except (ExpressionInvalid, TemplateInvalid) as error:
        yield Problem(at + error.path.removeprefix("$"), str(error), getattr(error, "hint", ""))
