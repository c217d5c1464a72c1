"""Pages by cursor: a list that grows while it is read shows nothing twice and leaves nothing out."""

import re
from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

PARAMETERS = ("cursor", "limit")
_POSITION = re.compile(r"[0-9a-f-]{1,36}")


class NewestFirst(CursorPagination):
    """The newest first, by id."""

    ordering: Any = ("-id",)  # Any: as the framework declares it
    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    position_form = _POSITION

    def decode_cursor(self, request: Request) -> Cursor | None:
        """This will read the cursor. Raises NotFound when it was not made by this list."""
        cursor = super().decode_cursor(request)
        position = None if cursor is None else cursor.position
        if position is not None and self.position_form.fullmatch(str(position)) is None:
            raise NotFound(self.invalid_cursor_message)
        return cursor


class OldestFirst(NewestFirst):
    """The oldest first, by id."""

    ordering = ("id",)
    position_form = re.compile(r"[0-9]{1,18}")


class NewestNumberFirst(OldestFirst):
    """The newest first, where ids are numbers."""

    ordering = ("-id",)


class VersionsFirst(OldestFirst):
    """Versions by their number, the newest first."""

    ordering = ("-number",)


class NumbersFirst(OldestFirst):
    """By number, from 1."""

    ordering = ("number",)


class ByIndex(OldestFirst):
    """Items in their order."""

    ordering = ("index",)


class ByName(NewestFirst):
    """By name, from a to z."""

    ordering = ("name",)
    position_form = re.compile(r"[\w.-]{1,100}")


class LatestSentFirst(NewestFirst):
    """Calls: those first sent latest first; of one instant, by key."""

    ordering = ("-first_sent_at", "key")
    position_form = re.compile(r"[0-9:T.+ -]{1,40}")


class LatestSeenFirst(NewestFirst):
    """The latest seen first; where many were seen at one instant, by fingerprint."""

    ordering = ("-last_seen_at", "fingerprint")
    position_form = re.compile(r"[0-9:T.+ -]{1,40}")
