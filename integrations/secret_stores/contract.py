"""What a store of secrets is, and how a secret is named; it never fetches one.

    env:PAYMENTS_TOKEN                    a variable of the environment
    db:payments-token                     the platform's own encrypted table
    vault:secret/payments#token           HashiCorp Vault: mount, path, field
    aws:prod/payments#token               AWS Secrets Manager: name, field of its JSON

What a store answers is a document of fields; a secret that is a text and no document has the field "".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A secret by name: the store, the place in it, and the field at that place."""

    store: str
    place: str
    field: str = ""

    def __str__(self) -> str:
        return f"{self.store}:{self.place}" + (f"#{self.field}" if self.field else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a store answered: every field at a place. `lease_s`: how long it is good for, where the store says so."""

    fields: Mapping[str, str] = field(repr=False)
    lease_s: float | None = None


class StoreError(Exception):
    """A secret was not fetched; the message names the place, never a secret."""


class Missing(StoreError):
    """The store answered: there is no such secret, or it is not for us. What was known of it is no longer true."""


class Away(StoreError):
    """The store did not answer, or not now: what was known of the secret may still be true."""


class Store(Protocol):
    """One kind of place where secrets are kept; a module with these names is one."""

    @property
    def name(self) -> str:
        """This will name the store as a reference does."""
        ...

    @property
    def example(self) -> str:
        """This will be a reference as one would write it."""
        ...

    @property
    def is_kept(self) -> bool:
        """This will tell whether what was fetched is kept for a while, since asking takes time."""
        ...

    def problem_of(self, reference: Reference) -> str | None:
        """This will say what is wrong with a reference, None when nothing is."""
        ...

    def fetch(self, place: str) -> Fetched:
        """This will ask the store. Raises Missing or Away."""
        ...


def parse(text: str) -> Reference:
    """This will take a reference apart; whether there is such a store is not judged here.

    >>> parse("vault:secret/payments#token")
    Reference(store='vault', place='secret/payments', field='token')
    """
    store, _, rest = text.partition(":")
    place, _, name = rest.partition("#")
    return Reference(store=store, place=place, field=name)
