"""What lists and pages of every app's admin share: no row counted twice, and links between rows; it knows no model."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.views import ChangeList


class _List(ChangeList):
    """A list that offers to show all only when it hides some."""

    def get_results(self, request: HttpRequest) -> None:
        """This will read one page of the list."""
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count


class ListingAdmin(ModelAdmin):
    """A model whose rows are not counted twice for a list of them.

    `empty_text` says what it means that there is none.
    """

    show_full_result_count = False
    empty_text = ""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:  # noqa: ARG002  Any: unfold's types are wrong here
        """This will give the class that makes the list."""
        return _List


def link_to(page: str, key: object, text: object) -> SafeString:
    """This will lead to the page of a row, such as `workflows_run`; `key` is that of the row."""
    return format_html('<a class="ae-link" href="{}">{}</a>', reverse(f"admin:{page}_change", args=(key,)), text)


def link_to_list(page: str, text: object, **query: str) -> SafeString:
    """This will lead to a list, such as `integrations_call`, narrowed by `query`."""
    address = reverse(f"admin:{page}_changelist", query=query)
    return format_html('<a class="ae-link" href="{}">{}</a>', address, text)


def cut(text: str) -> SafeString:
    """This will cut a text that is long for a list; pointing at it shows the rest."""
    return format_html('<span class="ae-cut" title="{}">{}</span>', text, text)
