"""Who calls the API and what they may do: a token's scopes, a user's permissions; no is the default."""

from collections.abc import Mapping

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, PermissionsMixin
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from audit.events import Actor, ActorKind
from workflows.access import Credential, Scope, is_granted

_READING = ("GET", "HEAD", "OPTIONS")
_PERMISSIONS: Mapping[Scope, str] = {
    Scope.RUNS_READ: "workflows.view_run",
    Scope.RUNS_WRITE: "workflows.add_run",
    Scope.RESULTS_WRITE: "workflows.set_result",
    Scope.DEFINITIONS_WRITE: "workflows.add_workflowversion",
    Scope.DEAD_LETTERS_WRITE: "workflows.change_deadletter",
    Scope.EVENTS_WRITE: "workflows.add_event",
    Scope.ANSWERS_WRITE: "workflows.add_humananswer",
    Scope.ADMIN: "workflows.add_pause",
}
"""What a user of this site needs for the same; a superuser has everything."""


class HasScope(BasePermission):
    """Asks for `runs:read` where a view only reads, and for the view's `write_scope` everywhere else."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """This will tell whether the caller may. Raises PermissionDenied with the scope that is missing."""
        scope: Scope | None = Scope.RUNS_READ if request.method in _READING else getattr(view, "write_scope", None)
        if scope is None or not request.user.is_authenticated:
            return False
        require_scope(request, scope)
        return True


def require_scope(request: Request, scope: Scope) -> None:
    """This will refuse a caller who lacks a scope. Raises PermissionDenied with what is missing."""
    user: AbstractBaseUser | AnonymousUser = request.user
    if isinstance(request.auth, Credential):
        if not is_granted(scope, granted=request.auth.granted):
            raise PermissionDenied(f"this needs a token with the scope {scope}")
    elif not (isinstance(user, PermissionsMixin) and user.has_perm(_PERMISSIONS[scope])):
        raise PermissionDenied(f"this needs the permission {_PERMISSIONS[scope]}")


def actor_of(request: Request) -> Actor:
    """This will give who is written into the audit trail."""
    if isinstance(request.auth, Credential):
        return request.auth.actor
    return Actor(kind=ActorKind.USER, id=str(request.user.pk))
