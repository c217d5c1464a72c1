"""The table of dry runs. Rows only: no decisions.

Run 1-1 DryRun      what the steps of a run are answered with instead of having effects
"""

from django.db import models


class DryRun(models.Model):
    """The pins of a dry run, as it was started with them. It never changes."""

    run_id = models.UUIDField(primary_key=True)
    pins = models.JSONField(help_text="What its steps are answered with; see workflows/core/pins.py.")
    of_run_id = models.UUIDField(null=True, help_text="The run whose outputs stand for what was not given.")

    def __str__(self) -> str:
        return f"dry run {self.run_id}"
