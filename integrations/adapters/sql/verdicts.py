"""What a failure of a database means for the next attempt; it never asks one.

Sources: appendix A of the PostgreSQL manual (SQLSTATE), the error codes of MariaDB.
"""

from typing import NamedTuple

from integrations.errors import CallFailed, Denied, Refused, Throttled, Unavailable, Unknown

_REFUSED_CLASSES = frozenset({"0A", "21", "22", "23", "25", "26", "28", "2B", "34", "3D", "3F", "42", "44", "P0"})
_TOO_MANY = "53300"
_LATE = frozenset({"57014", "1969", "3024"})
_MARIADB_THROTTLED = frozenset({1040, 1203, 1226})
_MARIADB_UNAVAILABLE = frozenset({1021, 1037, 1041, 1053, 1077, 1105, 1158, 1159, 1160, 1161, 1205, 1213, 1317, 1927})
_MARIADB_LOST = frozenset({0, 2003, 2006, 2013, 2014})
_LOGIN_DENIED = ("authentication failed",)
_LOGIN_REFUSED = ("does not exist", "no pg_hba.conf entry", "permission denied", "certificate")
_LOGIN_THROTTLED = ("too many",)


class Finding(NamedTuple):
    """What a driver said: the text, the server's code where it gave one, and whether the connection is gone."""

    text: str
    code: str
    is_lost: bool
    is_late: bool = False


def of_login(finding: Finding) -> CallFailed:
    """This will judge a connection that was not opened: nothing has happened."""
    text, evidence = f"the database did not let us in: {finding.text}", {"code": finding.code}
    lower = finding.text.lower()
    if any(words in lower for words in _LOGIN_THROTTLED) or _is_throttled(finding.code):
        return Throttled(text, evidence=evidence)
    if any(words in lower for words in _LOGIN_DENIED) or finding.code in ("1045", "1698"):
        return Denied(text, evidence=evidence)
    if any(words in lower for words in _LOGIN_REFUSED) or finding.code in ("1044", "1049"):
        return Refused(text, evidence=evidence)
    return Unavailable(text, evidence=evidence)


def of_statement(finding: Finding, *, changes: bool, repeatable: bool) -> CallFailed:
    """This will judge a statement that failed; one that `changes` something and lost its connection is unknown."""
    evidence = {"code": finding.code}
    if finding.is_late or finding.is_lost:
        text = "the time was over" if finding.is_late else "the connection broke"
        text = f"{text} before the database had answered: {finding.text}"
        return (
            Unknown(text, evidence=evidence, repeatable=repeatable) if changes else Unavailable(text, evidence=evidence)
        )
    text = f"the database refused the statement: {finding.text}"
    if finding.code in _LATE:
        return Unavailable(f"the statement took too long and was stopped: {finding.text}", evidence=evidence)
    if _is_throttled(finding.code):
        return Throttled(text, evidence=evidence)
    return Refused(text, evidence=evidence) if _is_refused(finding.code) else Unavailable(text, evidence=evidence)


def is_lost(code: str) -> bool:
    """This will tell whether a code of MariaDB says that the connection is gone."""
    return code.isdecimal() and int(code) in _MARIADB_LOST


def _is_throttled(code: str) -> bool:
    return code == _TOO_MANY or (len(code) == 4 and code.isdecimal() and int(code) in _MARIADB_THROTTLED)


def _is_refused(code: str) -> bool:
    if len(code) == 5:
        return code[:2] in _REFUSED_CLASSES
    return not (code.isdecimal() and int(code) in _MARIADB_UNAVAILABLE)
