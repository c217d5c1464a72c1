"""The messages of the CEL library, said in the words of definitions; it evaluates nothing."""

import re
from collections.abc import Collection

from workflows.core.problems import nearest

_STATUS = re.compile(r"^[A-Z_]+: ")
_PLACE = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD = re.compile(
    r"[Nn]o matching overloads? (?:found : |for )'?"
    r"([\w@!?:<>=&|*/%+\-\[\]]+?)'?(?: applied to ')?\((.*?)\)'?$"
)
_KEY = re.compile(r"Key not found in map : (.*)")
_CONVERT = "convert one of them: CEL does not mix int and double in arithmetic, as in `double(a) * 1.5`"


def explain_compile_error(text: str, *, names: Collection[str], known_steps: Collection[str]) -> tuple[str, str]:
    """This will give message and hint for what the compiler said. `names` is what may be written."""
    if "recursion" in text:
        return "the expression is nested too deeply: at most 32 levels are allowed", "use a python step"
    match = _PLACE.search(text)
    if match is None:
        return _without_status(text), ""
    column, said = match.group(2), match.group(3)
    undeclared = _UNDECLARED.search(said)
    if undeclared is not None:
        return _undeclared(undeclared.group(1), names=names, known_steps=known_steps)
    hint = _CONVERT if "int" in said and "double" in said else ""
    said = said.split(", expecting")[0].split(" expecting {")[0].replace("Syntax error: ", "")
    said = said.replace("mismatched input '<EOF>'", "it ends too early").replace("<EOF>", "the end")
    return f"the expression does not compile at column {column}: {_overload(said)}", hint


def explain_result_error(text: str) -> str:
    """This will give a message for an error value or an exception of the evaluation.

    >>> explain_result_error('NOT_FOUND: Key not found in map : "total"')
    'there is no key "total"'
    """
    said = _without_status(text)
    if "teration budget" in said:
        return "the expression does too much work: it was stopped"
    key = _KEY.search(said)
    if key is not None:
        return f"there is no key {key.group(1)}"
    if "SELECT to non-message" in said:
        return "a field was selected from a value that is not a map"
    if "<jump_condition>" in said:
        return "`? :` needs true or false before the question mark"
    if "construction from null" in said:
        return "the data holds text that is not valid Unicode"
    return _overload(said)


def _without_status(text: str) -> str:
    return re.sub(r" \[[A-Z_]+\]$", "", _STATUS.sub("", text)).rstrip(".")


def _overload(said: str) -> str:
    match = _OVERLOAD.search(said)
    if match is None:
        return said
    operator = match.group(1).strip("_").replace("_", " ")
    message = f"`{operator}` cannot take ({match.group(2).replace('int64', 'int')})"
    mixed = "int64" in match.group(2) and "double" in match.group(2)
    return f"{message}; {_CONVERT}" if mixed else message


def _undeclared(name: str, *, names: Collection[str], known_steps: Collection[str]) -> tuple[str, str]:
    parts = name.split(".")
    if parts[0] == "steps":
        return _undeclared_step(parts[1:], names=names, known_steps=known_steps)
    if parts[0] in ("item", "index"):
        return f"`{parts[0]}` exists only in `with` of a step with `for_each`", ""
    if parts[0] == "run":
        fields = ", ".join(sorted(known for known in names if known.startswith("run.")))
        return f"there is no `{name}`", f"known fields: {fields}"
    found = nearest(name, {known.split(".")[0] for known in names})
    roots = ", ".join(dict.fromkeys(known.split(".")[0] for known in names))
    return (
        f"there is no name or function `{name}`",
        f"did you mean `{found}`?" if found else f"known names: {roots}",
    )


def _undeclared_step(parts: list[str], *, names: Collection[str], known_steps: Collection[str]) -> tuple[str, str]:
    upstream = sorted({known.split(".")[1] for known in names if known.startswith("steps.")})
    if not parts:
        return "a step is named with a dot and its id", "write steps.<id>.output or steps.<id>.state"
    step = parts[0]
    if step in upstream:
        return (
            f"step {step!r} has only `output` and `state`",
            f"write steps.{step}.output or steps.{step}.state",
        )
    if step in known_steps:
        return f"step {step!r} does not end before this place", f"add {step!r} to `needs`"
    found = nearest(step, known_steps or upstream)
    listed = f"steps that end before this place: {', '.join(upstream) or 'none'}"
    return f"there is no step {step!r}", f"did you mean {found!r}?" if found else listed
