"""Prints what the doctor found; the exit code is 1 when something is broken."""

import argparse
import dataclasses

import orjson
from rich.console import Console

from automation.doctor import asking, diagnosis
from automation.doctor.finding import Level
from automation.management.subcommand import Subcommand

_MARKS = {Level.ERROR: "ERROR  ", Level.WARNING: "warning", Level.OK: "ok     "}


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one object a finding, in a list")


def _doctor(options: argparse.Namespace, console: Console) -> int:
    found = diagnosis.diagnose(asking.ask())
    if options.json:
        console.out(orjson.dumps([dataclasses.asdict(one) for one in found]).decode(), highlight=False)
        return int(diagnosis.is_sick(found))
    for one in found:
        console.out(f"{_MARKS[one.level]} {one.where}: {one.what}", highlight=False)
        if one.why:
            console.out(f"          why:  {one.why}", highlight=False)
        if one.mend:
            console.out(f"          mend: {one.mend}", highlight=False)
    counts = {level: sum(one.level is level for one in found) for level in Level}
    console.out(f"{counts[Level.ERROR]} errors, {counts[Level.WARNING]} warnings", highlight=False)
    return int(diagnosis.is_sick(found))


SUBCOMMANDS = (
    Subcommand(
        name="doctor",
        help="explain what is wrong and how to mend it; exit code 1 when something is broken",
        add_arguments=_add_doctor,
        run=_doctor,
    ),
)
