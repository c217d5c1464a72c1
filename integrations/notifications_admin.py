"""Notifications in the admin: to be read, and to be sent again when they were given up."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from audit.events import Actor, ActorKind
from integrations.models import Notification
from integrations.notifications import outbox
from integrations.notifications.contract import NotificationState

_COLOURS: dict[str, str] = {
    NotificationState.PENDING: "warning",
    NotificationState.SENT: "success",
    NotificationState.DEAD: "danger",
}


@admin.register(Notification)
class NotificationAdmin(ModelAdmin):
    """The list, latest first; a dead one says why, and can be sent again."""

    list_display = ("subject", "status", "channel", "recipient", "attempts", "created_at", "sent_at", "error")
    fields = (
        "id",
        "state",
        "channel",
        "recipient",
        "subject",
        "text",
        "data",
        "about",
        "key",
        "attempts",
        "due_at",
        "error",
        "created_at",
        "sent_at",
    )
    readonly_fields = fields
    list_filter = ("state", "channel")
    list_filter_sheet = False
    search_fields = ("about__exact",)
    search_help_text = "The exact id of a run"
    ordering = ("-created_at", "id")
    sortable_by = ()
    show_full_result_count = False
    list_per_page = 50
    actions = ("send_again",)

    @display(description="State", label=_COLOURS)
    def status(self, row: Notification) -> str:
        """This will show the state as a badge."""
        return row.state

    @admin.action(description="Send again what was given up", permissions=("send",))
    def send_again(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        """This will make the dead ones among the chosen due again."""
        actor, sent, others = Actor(kind=ActorKind.USER, id=str(request.user.pk)), 0, 0
        for row in queryset:
            try:
                outbox.send_again(notification_id=row.id, actor=actor, now=timezone.now())
            except outbox.NotificationNotDead:
                others += 1
            else:
                sent += 1
        tell = messages.warning if others else messages.success
        tell(request, f"{sent} due again" + (f"; {others} were not dead and stay as they are." if others else "."))

    def has_send_permission(self, request: HttpRequest) -> bool:
        """This will allow who may change notifications."""
        return request.user.has_perm("integrations.change_notification")

    def has_view_permission(self, request: HttpRequest, obj: Notification | None = None) -> bool:  # noqa: ARG002 - Django calls it so
        """This will allow who may view notifications, or send them again."""
        return request.user.has_perm("integrations.view_notification") or self.has_send_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django calls it so
        """This will refuse: what happens writes them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Notification | None = None) -> bool:  # noqa: ARG002 - Django calls it so
        """This will refuse: what was said stays as it was said."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Notification | None = None) -> bool:  # noqa: ARG002 - Django calls it so
        """This will refuse: what was said stays."""
        return False
