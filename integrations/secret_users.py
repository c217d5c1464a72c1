"""Who refers to secrets: connections, and whatever other apps say does; it never reads a secret."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeAlias

from integrations.models import Connection

Users: TypeAlias = Callable[[Collection[str]], Iterable[tuple[str, str]]]
"""Gives each use of some references: the reference, and what uses it in words, such as `endpoint partner`."""

_asked: list[Users] = []


def register(users: Users) -> None:
    """This will have `users` asked as well.

    For the `ready` of an app; asked in the transaction that deletes a secret.
    """
    _asked.append(users)


def users_of(*references: str) -> Mapping[str, list[str]]:
    """This will name whatever refers to each of some secrets."""
    found: dict[str, list[str]] = {reference: [] for reference in references}
    for name, sent, named in Connection.objects.order_by("name").values_list("name", "secret_reference", "secrets"):
        for reference in {sent, *named.values()} & found.keys():
            found[reference].append(f"connection {name}")
    for users in _asked:
        for reference, user in users(references):
            found[reference].append(user)
    return found
