"""The table of idempotency keys of starts: one row for each key, whichever month its run lies in."""

from django.db import models


class StartKey(models.Model):
    """A key that a run was started with. It is remembered as long as its run is."""

    key = models.CharField(max_length=300, primary_key=True, help_text="Client and Idempotency-Key.")
    run_id = models.UUIDField(db_index=True)
    digest = models.CharField(max_length=64, help_text="SHA-256 of workflow and input: the request it stands for.")

    def __str__(self) -> str:
        return f"{self.key} {self.run_id}"
