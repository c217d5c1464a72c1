"""Values in SOQL: written where a statement names them, as literals that cannot become anything else; pure.

Source: https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm
"""

import re
from collections.abc import Mapping
from datetime import datetime

_PLACE = re.compile(r"'(?:\\.|[^'\\])*'|(?<![\w:]):([a-z_][a-z0-9_]*)")
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"})


class Unbound(ValueError):
    """A statement and its values do not fit; the message says which."""


def bound(statement: str, *, values: Mapping[str, object], instants: Mapping[str, object]) -> str:
    r"""This will write values into a statement. Raises Unbound.

    >>> bound("SELECT Id FROM Lead WHERE Name = :name AND CreatedDate >= :since", values={"name": "O'Neil \\"},
    ...       instants={"since": "2026-03-01T10:00:00+01:00"})
    "SELECT Id FROM Lead WHERE Name = 'O\\'Neil \\\\' AND CreatedDate >= 2026-03-01T10:00:00+01:00"
    >>> bound("SELECT Id FROM Lead WHERE Name = ':name' AND Rank__c IN :ranks", values={"ranks": [1, 2]}, instants={})
    "SELECT Id FROM Lead WHERE Name = ':name' AND Rank__c IN (1,2)"
    """
    used: set[str] = set()

    def written(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return found[0]
        used.add(name)
        if name in instants:
            return _instant(name, instants[name])
        if name not in values:
            raise Unbound(f"the statement names :{name}, and there is no such value")
        return _literal(values[name])

    text = _PLACE.sub(written, statement)
    unused = sorted({*values, *instants} - used)
    if unused:
        raise Unbound(f"the statement does not name :{unused[0]}")
    return text


def _literal(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        return f"({','.join(map(_literal, value))})"
    return f"'{str(value).translate(_ESCAPES)}'"


def _instant(name: str, value: object) -> str:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        raise Unbound(f":{name} must be an instant such as 2026-03-01T00:00:00Z") from None
    if at.tzinfo is None:
        raise Unbound(f":{name} must say its zone, as 2026-03-01T00:00:00Z does")
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
