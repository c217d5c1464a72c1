"""The encrypted table of secrets; what is in a row opens only in that row, and only with a key of the environment."""

from django.db import models


class StoredSecret(models.Model):
    """A secret, sealed. Written by `integrations.secret_operations` only."""

    id = models.UUIDField(primary_key=True, editable=False)
    name = models.SlugField(max_length=100, unique=True, help_text="What a reference says after db:")
    description = models.CharField(max_length=500, default="", blank=True)
    key_id = models.CharField("key", max_length=40, editable=False, help_text="Which key of SECRETS_KEYS opens it.")
    nonce = models.BinaryField()
    ciphertext = models.BinaryField()
    version = models.PositiveIntegerField(default=1, editable=False, help_text="How often it was given a value.")
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField("value given at", editable=False)
    updated_by = models.CharField("value given by", max_length=200, editable=False)

    class Meta:
        db_table = "integrations_storedsecret"
        ordering = ("name",)
        verbose_name = "secret"

    def __str__(self) -> str:
        return self.name

    @property
    def bound_to(self) -> str:
        """This will name what its ciphertext is bound to: its row, its name and its version."""
        return f"{self.id}:{self.name}:{self.version}"
