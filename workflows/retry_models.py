"""The table of retries: which run does the work of which other one again."""

from django.db import models


class Retry(models.Model):
    """A run that retries another one, and how it was asked for. It is kept as long as the new run is."""

    run_id = models.UUIDField(primary_key=True, help_text="The new run.")
    of_id = models.UUIDField(help_text="The run whose work it does again.")
    start = models.CharField(max_length=10, help_text="Where it begins: failed, step or start.")
    step = models.CharField(max_length=100, blank=True, default="", help_text="The chosen step.")
    reused = models.JSONField(help_text="The steps whose results it has taken over.")
    is_input_edited = models.BooleanField(default=False)
    reason = models.CharField(max_length=1000, blank=True, default="")
    asked_by = models.CharField(max_length=200, help_text="The actor, as kind:id.")
    asked_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=("of_id", "-run_id"), name="retry_of_run")]

    def __str__(self) -> str:
        return f"{self.run_id} retries {self.of_id}"
