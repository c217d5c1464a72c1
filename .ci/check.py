"""Runs every check to its end, one on each processor, then says how many failed; it never stops at the first."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


@dataclass(frozen=True, kw_only=True)
class Check:
    """A command that returns 0 when all is well."""

    name: str
    command: list[str]


def checks() -> list[Check]:
    """This will list all checks, the quickest first."""
    python = sys.executable
    listed = [
        Check(name="format", command=[str(BIN / "ruff"), "format", "--check", "."]),
        Check(name="lint", command=[str(BIN / "ruff"), "check", "."]),
        Check(name="sizes", command=[python, ".ci/sizes.py"]),
        Check(name="import contracts", command=[str(BIN / "lint-imports"), "--no-cache"]),
        Check(name="migrations", command=[python, "manage.py", "makemigrations", "--check", "--dry-run"]),
        Check(
            name="system check",
            command=[python, "-W", "error", "manage.py", "check", "--fail-level", "WARNING"],
        ),
        Check(name="types", command=[str(BIN / "mypy")]),
    ]
    if (ROOT / "tests" / "docs").is_dir():
        without_guide = ["tests/docs", "--ignore", "tests/docs/test_guide.py"]  # it needs servers
        listed.append(Check(name="documentation", command=[python, "-m", "pytest", "-q", *without_guide]))
    return listed


def main() -> int:
    """This will run the checks and return 1 when any failed."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.static_analysis"}
    listed = checks()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        passed = list(pool.map(lambda check: _passes(check, environment), listed))
    failed = [check.name for check, is_passed in zip(listed, passed, strict=True) if not is_passed]
    print(f"\n{len(failed)} of {len(listed)} checks failed{': ' + ', '.join(failed) if failed else ''}")
    return 1 if failed else 0


def _passes(check: Check, environment: dict[str, str]) -> bool:
    started_at = time.monotonic()
    done = subprocess.run(
        check.command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    verdict = "ok    " if done.returncode == 0 else "FAILED"
    told = f"{verdict} {check.name} ({time.monotonic() - started_at:.1f} s)\n"
    print(told + (f"{done.stdout}\n" if done.returncode != 0 else ""), end="", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
