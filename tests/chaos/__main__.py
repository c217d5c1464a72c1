"""`make chaos`: attacks a whole platform by a seed and checks every law; exit code 1 when one is broken.

    python -m config.private_services -- python -m tests.chaos --seed 7 --seconds 60
    python -m config.private_services -- python -m tests.chaos --seeds 1-20 --seconds 120 --table

Each attack has a database of its own on the private servers. What happens is told on stderr.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson
from django.db import connections

from tests.support import environment

environment.set_up_django()  # before the modules below import a model

from tests.chaos import faults, runner  # noqa: E402
from tests.chaos import tally as figures  # noqa: E402
from tests.chaos.script import Kind  # noqa: E402
from tests.support import database  # noqa: E402

_SHORTEST_S = 5.0


def main(argv: Sequence[str]) -> int:
    """This will attack once for each seed and return 1 when any law was broken."""
    options = _parse(argv)
    verdicts = [_attack(seed, options=options) for seed in options.seeds]
    if options.table:
        print("\n".join(figures.table([verdict.tally for verdict in verdicts])))
    return 0 if all(verdict.tally.is_clean for verdict in verdicts) else 1


def _attack(seed: int, *, options: argparse.Namespace) -> runner.Verdict:
    environment.control_path()
    database.make()
    try:
        verdict = runner.run(seed=seed, seconds=options.seconds, kinds=options.only, tell=_tell, logs=options.logs)
    finally:
        connections.close_all()
        database.drop()
    if options.json:
        print(orjson.dumps(verdict.tally.document()).decode(), flush=True)
    if not (options.json or options.table) or not verdict.tally.is_clean:
        text = "\n".join(figures.lines(verdict.tally, breaches=verdict.breaches))
        print(text, file=sys.stderr if options.json or options.table else sys.stdout, flush=True)
    return verdict


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seed", dest="seeds", type=_one, help="which faults strike when; 1 when left out")
    seeds.add_argument("--seeds", dest="seeds", type=read_range, help="one attack after the other, as 1-20")
    parser.add_argument("--seconds", type=_seconds, default=60.0, help="how long faults and load last")
    parser.add_argument("--json", action="store_true", help="the tally as one line of JSON")
    parser.add_argument("--table", action="store_true", help="the tallies as a table in Markdown")
    parser.add_argument("--only", type=_kinds, help="only faults whose names hold this text, to hunt for a defect")
    parser.add_argument("--logs", type=Path, help="keep the logs of all processes in this folder")
    parser.set_defaults(seeds=[1], only=faults.KINDS)
    return parser.parse_args(argv)


def _kinds(text: str) -> list[Kind]:
    found = [kind for kind in faults.KINDS if text in kind.name]
    if not found:
        known = ", ".join(kind.name for kind in faults.KINDS)
        raise argparse.ArgumentTypeError(f"no fault has {text!r} in its name: choose a part of {known}")
    return found


def _one(text: str) -> list[int]:
    return [int(text)]


def read_range(text: str) -> list[int]:
    """This will read seeds written as `1-20`. Raises ArgumentTypeError."""
    first, dash, last = text.partition("-")
    if not dash or not first.isdigit() or not last.isdigit() or int(first) > int(last):
        raise argparse.ArgumentTypeError(f"{text!r} is no range of seeds such as 1-20")
    return list(range(int(first), int(last) + 1))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if seconds < _SHORTEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds, {_SHORTEST_S:g} or more")
    return seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
