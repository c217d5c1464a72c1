"""Measures files and functions against the budgets of the house; it never looks at what they mean."""

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "services"}
BRANCHES = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.IfExp,
    ast.BoolOp,
    ast.match_case,
)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long things may be, in lines."""

    median: int
    p90: int
    longest: int


FILES = Budget(median=120, p90=250, longest=400)
FUNCTIONS = Budget(median=10, p90=30, longest=60)
MOST_BRANCHES = 10


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A file or a function, where it is and how long it is."""

    name: str
    lines: int
    branches: int = 0


def main() -> int:
    """This will print the figures and every excess, and return 1 when there is one."""
    paths = _paths()
    files = [
        Measured(name=str(path), lines=len((ROOT / path).read_text().splitlines()))
        for path in paths
        if "migrations" not in path.parts  # generated
    ]
    functions = [found for path in paths if not _is_exempt(path) for found in _functions(path)]
    problems = [
        *_excesses("file", files, FILES),
        *_excesses("function", functions, FUNCTIONS),
        *(f"{item.name}: {item.branches} branches" for item in functions if item.branches > MOST_BRANCHES),
        *(f"{path}: the name says nothing" for path in paths if _is_forbidden(path)),
    ]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def _paths() -> Sequence[Path]:
    """What the repository holds or is about to; empty files are only marks."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = sorted({Path(line) for line in listed.stdout.splitlines()})
    return [path for path in paths if (ROOT / path).exists() and (ROOT / path).stat().st_size]


def _is_exempt(path: Path) -> bool:
    return path.parts[0] == "tests" or "migrations" in path.parts


def _is_forbidden(path: Path) -> bool:
    return any(Path(part).stem in FORBIDDEN_NAMES for part in path.parts)


def _functions(path: Path) -> Iterator[Measured]:
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Measured(
                name=f"{path}:{node.lineno} {node.name}",
                lines=(node.end_lineno or node.lineno) - node.lineno + 1,
                branches=sum(isinstance(part, BRANCHES) for part in ast.walk(node)),
            )


def _excesses(kind: str, items: Sequence[Measured], budget: Budget) -> Iterator[str]:
    lengths = [item.lines for item in items]
    median = statistics.median(lengths)
    p90 = statistics.quantiles(lengths, n=10)[-1]
    print(f"{len(items)} {kind}s: median {median:.0f}, p90 {p90:.0f}, longest {max(lengths)} lines")
    if median > budget.median:
        yield f"{kind}s: the median is {median:.0f} lines, the budget {budget.median}"
    if p90 > budget.p90:
        yield f"{kind}s: the 90th percentile is {p90:.0f} lines, the budget {budget.p90}"
    for item in items:
        if item.lines > budget.longest:
            yield f"{item.name}: {item.lines} lines, the budget is {budget.longest}"


if __name__ == "__main__":
    sys.exit(main())
