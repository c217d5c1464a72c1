"""What lists and pages of every app's admin share: rows counted once, links, actions; it knows no model."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
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


class PageAction(NamedTuple):
    """An action of the list that the page of a row offers as well."""

    name: str
    """Of the list's action: what it does, and who may do it, is said there once."""
    text: str
    question: str
    """Asked before it acts."""


class ActingAdmin(ListingAdmin):
    """Offers actions of the list on the page of each row, behind one more question."""

    page_actions: tuple[PageAction, ...] = ()
    change_form_outer_before_template = "audit/page_actions.html"  # type: ignore[assignment]  # unfold types it None

    def offers(self, row: Any, action: PageAction) -> bool:  # noqa: ARG002  Any: the model's row
        """This will tell whether an action can do anything to a row."""
        return True

    def get_urls(self) -> list[URLPattern]:
        """This will put the buttons beside the admin's pages."""
        view = self.admin_site.admin_view(require_POST(self.act))
        own = path("<path:object_id>/act/<slug:action>/", view, name=f"{self._page}_act")
        return [own, *super().get_urls()]

    def act(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """This will do to one row what the list's action does to many. Raises PermissionDenied, Http404."""
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_permission(request, row):
            raise Http404(f"there is no {self.opts.verbose_name} {object_id}")
        if action not in {one.name for one in self.page_actions}:
            raise Http404(f"a {self.opts.verbose_name} knows no {action}")
        if not self._may(request, action):
            raise PermissionDenied
        getattr(self, action)(request, self.get_queryset(request).filter(pk=row.pk))
        return HttpResponseRedirect(reverse(f"admin:{self._page}_change", args=(row.pk,)))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,  # Any: Django's signature
    ) -> HttpResponse:
        """This will offer what may be done to the row."""
        row = self.get_object(request, object_id)
        offered = [] if row is None else list(self._offered(request, row))
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "page_actions": offered})

    def _offered(self, request: HttpRequest, row: Model) -> Iterator[dict[str, str]]:
        for one in self.page_actions:
            if self._may(request, one.name) and self.offers(row, one):
                address = reverse(f"admin:{self._page}_act", args=(row.pk, one.name))
                yield {"text": one.text, "question": one.question, "address": address}

    def _may(self, request: HttpRequest, action: str) -> bool:
        needed = getattr(getattr(self, action), "allowed_permissions", ())
        return all(getattr(self, f"has_{one}_permission")(request) for one in needed)

    @property
    def _page(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"


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
