"""Notifications in the admin: to be read, and to be sent again when they were given up."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from audit.admin_pages import ActingAdmin, PageAction, link_to
from audit.events import Actor, ActorKind
from integrations.models import Notification
from integrations.notifications import addresses, outbox
from integrations.notifications.contract import NotificationState

_COLOURS: dict[str, str] = {
    NotificationState.PENDING: "warning",
    NotificationState.SENT: "success",
    NotificationState.DEAD: "danger",
}


@admin.register(Notification)
class NotificationAdmin(ActingAdmin):
    """The list, latest first; a dead one says why, and can be sent again."""

    list_display = ("subject", "status", "channel", "recipient", "attempts", "created_at", "sent_at", "error")
    fields = (
        "id",
        "status",
        "channel",
        "recipient",
        "subject",
        "message",
        "data",
        "run",
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
    list_per_page = 50
    actions = ("send_again",)
    page_actions = (
        PageAction(name="send_again", text="Send again", question="It is due at once, with all its attempts."),
    )

    def offers(self, row: Notification, action: PageAction) -> bool:  # noqa: ARG002  the signature of all of them
        """This will offer to send what was given up."""
        return row.state == NotificationState.DEAD

    @display(description="State", label=_COLOURS)
    def status(self, row: Notification) -> str:
        """This will show the state as a badge."""
        return row.state

    @admin.display(description="Text")
    def message(self, row: Notification) -> SafeString:
        """This will show the text as it is sent, with the addresses of pages written out and no signed one."""
        return format_html('<span class="ae-message">{}</span>', addresses.shown(row.text))

    @admin.display(description="Run")
    def run(self, row: Notification) -> SafeString | str:
        """This will lead to the run it speaks of."""
        return link_to("workflows_run", row.about, row.about) if row.about else "-"

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
