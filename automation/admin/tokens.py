"""API tokens in the admin: created, shown once, revoked; never edited and never deleted."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
)

from audit.events import Actor, ActorKind
from automation import operations
from automation.models import ApiToken
from workflows.access import Scope

_SHOWN = (
    "name",
    "prefix",
    "scopes",
    "state",
    "created_at",
    "created_by",
    "expires_at",
    "last_used_at",
    "revoked_at",
)


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """A token as a person asks for it."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, scope.value) for scope in Scope], widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=operations.LONGEST_LIFE.days,
        initial=operations.LIFE_DAYS,
        label="In force for (days)",
        widget=UnfoldAdminIntegerFieldWidget,
    )

    class Meta:
        model = ApiToken
        fields = ("name", "scopes")
        widgets = {"name": UnfoldAdminTextInputWidget}

    def clean_name(self) -> str:
        """This will refuse the name of a token that is in force."""
        name = str(self.cleaned_data["name"])
        if ApiToken.objects.filter(name=name, revoked_at=None).exists():
            raise forms.ValidationError("A token of that name is in force: revoke it, or take another name.")
        return name


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):
    """Keys to the API. The page after creation is the only one that ever shows a secret."""

    form = TokenForm
    list_display = ("name", "prefix", "scopes", "state", "expires_at", "last_used_at")
    search_fields = ("name", "prefix")
    actions = ("revoke",)

    @admin.display(description="state")
    def state(self, token: ApiToken) -> str:
        """This will say whether it may be used."""
        return token.state(now=timezone.now())

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:  # noqa: ARG002 - Django calls it so
        """This will ask for what a new token needs, and show what is known of an old one."""
        return ("name", "scopes", "days") if obj is None else _SHOWN

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:  # noqa: ARG002 - Django calls it so
        """This will refuse: what a token may do is fixed when it is created."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:  # noqa: ARG002 - Django calls it so
        """This will refuse: the audit trail names tokens."""
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """This will allow it to whoever may change tokens."""
        return request.user.has_perm("automation.change_apitoken")

    def save_model(
        self,
        request: HttpRequest,
        obj: Model,
        form: Any,  # Any: it is TokenForm, which Django and unfold declare differently
        change: bool,  # noqa: ARG002 - Django calls it so
    ) -> None:
        """This will create the token through the operation, on behalf of the user."""
        now = timezone.now()
        token, plain = operations.create_token(
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            expires_at=now + timedelta(days=form.cleaned_data["days"]),
            actor=_actor(request),
            now=now,
        )
        obj.pk = token.pk
        form.instance.plain = plain

    def response_add(
        self,
        request: HttpRequest,
        obj: ApiToken,
        post_url_continue: str | None = None,  # noqa: ARG002 - Django calls it so
    ) -> HttpResponse:
        """This will show the token in this answer alone: no cookie, no session and no cache keeps it."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Token {obj.name}",
            "plain": obj.plain,
        }
        return TemplateResponse(
            request, "automation/token_created.html", context, headers={"Cache-Control": "no-store"}
        )

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        """This will put the chosen tokens out of force for ever."""
        names = list(tokens.filter(revoked_at=None).order_by("name").values_list("name", flat=True))
        for name in names:
            operations.revoke_token(name=name, actor=_actor(request), now=timezone.now())
        self.message_user(request, f"Revoked: {', '.join(names) or 'none, for none was in force'}.")


def _actor(request: HttpRequest) -> Actor:
    return Actor(kind=ActorKind.USER, id=str(request.user.pk))
