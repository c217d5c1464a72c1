"""What the pages of reconciliation share: who may what; it shows nothing itself."""

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest

from workflows.admin.pages import ReadingAdmin


class ReconciliationAdmin(ReadingAdmin):
    """A model of this app whose rows are looked at, and changed by operations alone."""

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002  Django's signature
        """This will allow who may view the model, or change it by its operations."""
        name = self.opts.model_name
        return may(request, f"view_{name}") or may(request, f"change_{name}")


def may(request: HttpRequest, codename: str) -> bool:
    """This will tell whether the user has a permission of this app, such as `change_variance`."""
    return request.user.has_perm(f"reconciliation.{codename}")


def require(request: HttpRequest, codename: str) -> None:
    """This will refuse who lacks a permission of this app. Raises PermissionDenied."""
    if not may(request, codename):
        raise PermissionDenied(f"this needs the permission reconciliation.{codename}")
