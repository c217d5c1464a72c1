"""Migrates the embedded database only when migrations have changed; it never guesses what they contain."""

import hashlib
from collections.abc import Callable
from pathlib import Path


def migrate_when_changed(*, stamp: Path, root: Path, run: Callable[[], object]) -> None:
    """This will call `run` unless `stamp` says that these very migrations have been applied."""
    digest = migrations_digest(root)
    if stamp.exists() and stamp.read_text() == digest:
        return
    run()
    stamp.write_text(digest)


def migrations_digest(root: Path) -> str:
    """This will be a hash of our migrations and of the lock file, which stands for the libraries."""
    digest = hashlib.sha256()
    for path in [*sorted(root.glob("*/migrations/*.py")), root / "uv.lock"]:
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
