"""Stored secrets in the admin: a value is written and never shown; every change is an operation."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from audit.events import Actor, ActorKind
from integrations import admin_forms, queries, secret_operations
from integrations.errors import SecretInUse, UnknownSecret, WrongSecret
from integrations.models import StoredSecret

_KNOWN = ("used_by", "version", "key_id", "created_at", "updated_at", "updated_by")


class WriteOnlyTextarea(UnfoldAdminTextareaWidget):
    """A text that a page never shows again, not even one that was not taken."""

    def format_value(self, value: Any) -> str:  # noqa: ARG002  Any: Django's signature
        """This will show nothing."""
        return ""


class SecretForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """A secret as a person writes it. The value may have several lines, such as a private key."""

    value = forms.CharField(
        strip=False,
        widget=WriteOnlyTextarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text="It is never shown again. To change the secret, give it another value here.",
    )

    class Meta:
        model = StoredSecret
        fields = ("name", "description")

    def clean_value(self) -> str:
        """This will take line ends as files have them, not as browsers send them."""
        return str(self.cleaned_data["value"]).replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:  # Any: Django's signature
        """This will show what the rules of secrets say, each at its field."""
        cleaned = super().clean() or self.cleaned_data
        name = str(cleaned.get("name") or self.instance.name)
        try:
            secret_operations.check(name=name, value=str(cleaned.get("value") or ""))
        except WrongSecret as error:
            admin_forms.tell(self, error.problems.items())
        return cleaned


@admin.register(StoredSecret)
class StoredSecretAdmin(ModelAdmin):
    """The platform's own secrets, without their values; the name is fixed once given, for connections use it."""

    form = SecretForm
    list_display = ("name", "description", "used_by", "version", "updated_at", "updated_by", "key_id")
    search_fields = ("name", "description")
    actions = ("delete_unused",)

    @admin.display(description="used by")
    def used_by(self, secret: StoredSecret) -> str:
        """This will name what refers to it."""
        found = getattr(secret, "users", None)
        return ", ".join(queries.users_of_secret(secret.name) if found is None else found) or "nothing"

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """This will read one page, and at once who uses its secrets."""
        page: ChangeList = super().get_changelist_instance(request)
        users = queries.users_of_secrets([row.name for row in page.result_list])
        for row in page.result_list:
            row.users = users[row.name]
        return page

    def get_fields(self, request: HttpRequest, obj: StoredSecret | None = None) -> tuple[str, ...]:  # noqa: ARG002 - Django calls it so
        """This will show what is known of a secret that is there."""
        return ("name", "value", "description") if obj is None else ("name", "value", "description", *_KNOWN)

    def get_readonly_fields(self, request: HttpRequest, obj: StoredSecret | None = None) -> tuple[str, ...]:  # noqa: ARG002 - Django calls it so
        """This will keep the name of an existing secret."""
        return () if obj is None else ("name", *_KNOWN)

    def save_model(
        self,
        request: HttpRequest,
        obj: Model,
        form: Any,  # Any: it is SecretForm, which Django and unfold declare differently
        change: bool,  # noqa: ARG002 - Django calls it so
    ) -> None:
        """This will store through the operation, on behalf of the user."""
        row, _ = secret_operations.set_secret(
            name=form.instance.name,
            value=form.cleaned_data["value"],
            description=form.cleaned_data["description"],
            actor=_actor(request),
            now=timezone.now(),
        )
        obj.pk = row.pk

    def has_delete_permission(self, request: HttpRequest, obj: StoredSecret | None = None) -> bool:  # noqa: ARG002 - Django calls it so
        """This will refuse the button that deletes whatever refers to it: there is an action for that."""
        return False

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """This will allow it to whoever may delete secrets."""
        return request.user.has_perm("integrations.delete_storedsecret")

    @admin.action(description="Delete, where nothing uses it", permissions=["remove"])
    def delete_unused(self, request: HttpRequest, chosen: QuerySet[StoredSecret]) -> None:
        """This will delete the chosen ones, and say of the others why not."""
        for name in list(chosen.order_by("name").values_list("name", flat=True)):
            try:
                secret_operations.delete_secret(name=name, actor=_actor(request), now=timezone.now())
            except (SecretInUse, UnknownSecret) as error:
                self.message_user(request, f"{error}.", level=messages.ERROR)
            else:
                self.message_user(request, f"{name} is deleted.")


def _actor(request: HttpRequest) -> Actor:
    return Actor(kind=ActorKind.USER, id=str(request.user.pk))
