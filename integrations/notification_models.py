"""The outbox of notifications; written by `integrations.notifications.outbox` only."""

from django.db import models
from django.db.models import Q

from integrations.notifications.contract import NotificationState


class Notification(models.Model):
    """A message to somebody. It waits here until it is sent, or given up.

    `due_at` is when it is tried (again): its clock, and the end of the claim of who is sending it now.
    """

    id = models.UUIDField(primary_key=True, help_text="Receivers know a repetition by it.")
    key = models.CharField(max_length=300, unique=True, help_text="The same key again is the same message.")
    channel = models.CharField(max_length=50)
    recipient = models.CharField(max_length=500)
    subject = models.CharField(max_length=300)
    text = models.TextField()
    data = models.JSONField(default=dict)
    about = models.CharField(max_length=100, blank=True, default="", help_text="The run it speaks of.")
    correlation_id = models.CharField(max_length=200, blank=True, default="")
    state = models.CharField(max_length=10, choices=[(s.value, s.value) for s in NotificationState], default="pending")
    attempts = models.SmallIntegerField(default=0)
    claim = models.IntegerField(default=0, help_text="Counts claims: a fence against late results.")
    due_at = models.DateTimeField(help_text="When it is tried (again).")
    error = models.TextField(blank=True, default="", help_text="What the latest attempt came to.")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "automation_notification"
        ordering = ("-created_at", "id")
        indexes = (
            models.Index(fields=("due_at",), condition=Q(state="pending"), name="notification_due"),
            models.Index(fields=("-created_at",), name="notification_latest"),
            models.Index(fields=("-created_at",), condition=Q(state="dead"), name="notification_dead"),
            models.Index(fields=("about",), condition=~Q(about=""), name="notification_about"),
        )

    def __str__(self) -> str:
        return f"{self.channel} to {self.recipient}: {self.subject}"
