"""Lets a root user run programs that refuse to run as root; it never changes anything outside its folders."""

import functools
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_USER_NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534")


@dataclass(frozen=True, kw_only=True)
class Launcher:
    """How a program is started: behind a command that hides root, or as another user, or as it is."""

    prefix: tuple[str, ...] = ()
    user: int | None = None
    group: int | None = None

    @property
    def extra_groups(self) -> list[int] | None:
        """This will be what Popen needs to drop root's supplementary groups."""
        return None if self.user is None else []

    def own(self, path: Path) -> None:
        """This will give a new, empty folder to the user the program runs as."""
        path.chmod(0o700)
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)


@functools.cache
def find_launcher() -> Launcher:
    """This will choose the way with the fewest side effects.

    An ordinary user needs nothing. Root hides in a user namespace of its own, where its files stay its own;
    where that is forbidden (some containers), it drops to the account `postgres` or `nobody`.
    """
    if os.geteuid() != 0:
        return Launcher()
    if _has_user_namespaces():
        return Launcher(prefix=_USER_NAMESPACE)
    return find_dropping_launcher()


def find_dropping_launcher() -> Launcher:
    """This will drop to an existing account without rights. Raises KeyError when there is none."""
    accounts = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = accounts.get("postgres") or accounts["nobody"]
    return Launcher(user=entry.pw_uid, group=entry.pw_gid)


def can_reach(*, path: Path, launcher: Launcher) -> bool:
    """This will tell whether the program's user may pass through every folder above `path`."""
    if launcher.user is None:
        return True
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def _has_user_namespaces() -> bool:
    if shutil.which("unshare") is None:
        return False
    trial = subprocess.run([*_USER_NAMESPACE, "true"], capture_output=True, check=False, timeout=10)
    return trial.returncode == 0
