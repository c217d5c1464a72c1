"""The table of what has been handed to a search engine; rows only."""

from django.db import models


class SinkCursor(models.Model):
    """How far the trail has been handed on to one sink.

    All events up to `after_id` are done. `seen_id` was the latest one at `seen_at`: it becomes `after_id` when every
    transaction that was open then has ended, for only those may still bring events with lower numbers.
    """

    name = models.CharField(max_length=40, primary_key=True)
    after_id = models.BigIntegerField(default=0)
    seen_id = models.BigIntegerField(default=0)
    seen_at = models.DateTimeField(null=True)
    delivered = models.BigIntegerField(default=0, help_text="Documents that were taken, the same one counted again.")
    refused = models.BigIntegerField(default=0, help_text="Documents that were refused for good.")
    owner = models.CharField(max_length=60, blank=True, default="", help_text="The process that hands on now.")
    leased_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} after {self.after_id}"
