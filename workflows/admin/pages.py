"""What all pages of the engine share: reading without editing, the actor, people's names; it changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst

from audit.admin_pages import ListingAdmin as ListingAdmin
from audit.events import Actor, ActorKind
from workflows.models import Workflow


class ReadingAdmin(ListingAdmin):
    """A model whose rows are looked at: none is added, edited or deleted here, whoever asks."""

    page_template = ""
    list_fullwidth = True

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: rows come from operations."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: rows change by operations."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: what happened stays."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002  Django's signature
        """This will allow who may view the model, or change it by its operations."""
        name = self.opts.model_name
        return is_allowed(request, f"view_{name}") or is_allowed(request, f"change_{name}")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002  Django's signature
        extra_context: dict[str, Any] | None = None,  # Any: Django's signature
    ) -> HttpResponse:
        """This will show the page of one row instead of a form."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = self.page_context(request, self.find_row(object_id))
        return self.render(request, self.page_template, {**context, **(extra_context or {})})

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, object]:  # Any: the model's row
        """This will give what the page of one row shows."""
        raise NotImplementedError

    def find_row(self, object_id: str) -> Any:  # Any: the model's row
        """This will find a row by the text of its id in a URL. Raises Http404."""
        rows: QuerySet[Model] = self.model._default_manager.all()
        try:
            row = rows.filter(pk=object_id).first()
        except (ValidationError, ValueError) as error:
            raise Http404(f"{object_id} is no id of a {self.opts.verbose_name}") from error
        if row is None:
            raise Http404(f"there is no {self.opts.verbose_name} {object_id}")
        return row

    def render(
        self,
        request: HttpRequest,
        template: str,
        context: Mapping[str, object],
        *,
        crumbs: Sequence[tuple[str, str]] = (),
        status: int = 200,
    ) -> HttpResponse:
        """This will render a page inside the admin's frame; `crumbs` (text, address) lead to it from the list."""
        frame = {
            **self.admin_site.each_context(request),
            "media": self.media,
            "is_fullwidth": "1",
            **context,
            "crumbs": [self._crumb(), *crumbs],
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, template, frame, status=status)

    def _crumb(self) -> tuple[str, str]:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
        return capfirst(str(self.opts.verbose_name_plural)), reverse(name)


def is_allowed(request: HttpRequest, codename: str) -> bool:
    """This will tell whether the user has a permission of this app, such as `add_run`."""
    return request.user.has_perm(f"workflows.{codename}")


def require(request: HttpRequest, codename: str) -> None:
    """This will refuse who lacks a permission of this app. Raises PermissionDenied."""
    if not is_allowed(request, codename):
        raise PermissionDenied(f"this needs the permission workflows.{codename}")


def actor_of(request: HttpRequest) -> Actor:
    """This will give the signed-in user as the trail names it."""
    return Actor(kind=ActorKind.USER, id=str(request.user.pk))


def names_of(actors: Iterable[str]) -> Mapping[str, str]:
    """This will give the names of the users among some actors, by the actor's text."""
    ids = {text.removeprefix("user:") for text in actors if text.startswith("user:")}
    numbers = [int(text) for text in ids if text.isdecimal()]
    users = get_user_model()._default_manager.in_bulk(numbers) if numbers else {}
    return {f"user:{number}": user.get_username() for number, user in users.items()}


def crumb_of(workflow: Workflow) -> tuple[str, str]:
    """This will give the way back to the page of a workflow."""
    return workflow.name, reverse("admin:workflows_workflow_change", args=(workflow.pk,))


def uuid_of(text: str) -> UUID | None:
    """This will read a UUID, or give None when the text is none."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None
