"""How PostgreSQL and MariaDB say what reading over a connection needs; it runs nothing.

Both write values as text, and hash that text as `core.buckets` does. What they write differently (an instant, say) has
other sums, and is read: that costs time, and hides nothing.
"""

import abc
from collections.abc import Mapping, Sequence

from reconciliation.core.buckets import PARTS
from reconciliation.jobs.spec import SideSpec

SOURCE = "source"
"""What the select of a job is called inside of the statements that are made around it."""


class Dialect(abc.ABC):
    """One kind of database. Names of columns are quoted; expressions hold no value of anybody's."""

    quote: str

    @abc.abstractmethod
    def text(self, expression: str) -> str:
        """This will write a value as text."""

    @abc.abstractmethod
    def bytes_of(self, text: str) -> str:
        """This will write a text as what is told apart by each of its bytes."""

    @abc.abstractmethod
    def joined(self, parts: Sequence[str]) -> str:
        """This will join texts; null when one of them is."""

    @abc.abstractmethod
    def length(self, text: str) -> str:
        """This will count the characters of a text."""

    @abc.abstractmethod
    def hashed(self, text: str, *, digits: int) -> str:
        """This will give the first hexadecimal digits of the MD5 of a text in UTF-8, as a number."""

    def column(self, name: str) -> str:
        """This will name a column of the source; a colon would be taken for a parameter."""
        quoted = name.replace(self.quote, 2 * self.quote).replace(":", "\\:")
        return f"{SOURCE}.{self.quote}{quoted}{self.quote}"

    def key(self, side: SideSpec) -> str:
        """This will write the key as text; null when a part of it is."""
        parts = [self.text(self.column(name)) for name in side.key]
        between = self.text(f"'{PARTS}'")
        return self.joined([one for part in parts for one in (between, part)][1:])

    def bucket(self, side: SideSpec, *, buckets: int) -> str:
        """This will write the bucket of a key."""
        return f"mod({self.hashed(self.key(side), digits=8)}, {buckets})"

    def digest(self, side: SideSpec) -> str:
        """This will write the digest of a row."""
        values = [self.text(self.column(name)) for one in side.columns for name in one]
        return self.hashed(self.joined([self._part(text) for text in (self.key(side), *values)]), digits=15)

    def _part(self, text: str) -> str:
        counted = self.joined([self.text(self.length(text)), self.text("':'"), text])
        return f"coalesce({counted}, '-')"


class PostgreSQL(Dialect):
    """PostgreSQL 14 and later."""

    quote = '"'

    def text(self, expression: str) -> str:
        return f"cast({expression} as text)"

    def bytes_of(self, text: str) -> str:
        return f'{text} collate "C"'

    def joined(self, parts: Sequence[str]) -> str:
        return f"({' || '.join(parts)})"

    def length(self, text: str) -> str:
        return f"length({text})"

    def hashed(self, text: str, *, digits: int) -> str:
        return f"cast(cast('x' || substr(md5({text}), 1, {digits}) as bit({4 * digits})) as bigint)"


class MariaDB(Dialect):
    """MariaDB 10.6 and later."""

    quote = "`"

    def text(self, expression: str) -> str:
        return f"convert({expression} using utf8mb4)"

    def bytes_of(self, text: str) -> str:
        return f"cast({text} as binary)"

    def joined(self, parts: Sequence[str]) -> str:
        return f"concat({', '.join(parts)})"

    def length(self, text: str) -> str:
        return f"char_length({text})"

    def hashed(self, text: str, *, digits: int) -> str:
        return f"cast(conv(substr(md5({text}), 1, {digits}), 16, 10) as unsigned)"


BY_SCHEME: Mapping[str, Dialect] = {"postgresql": PostgreSQL(), "mariadb": MariaDB()}
"""The dialect of a connection, by the scheme of its base URL."""
