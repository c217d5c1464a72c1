"""What the filters of bulk operations have in common: no word that they do not know, and never nothing at all."""

from collections.abc import Sequence
from typing import Any, ClassVar

from rest_framework import serializers


class SelectionForm(serializers.Serializer[Any]):
    """A filter of which all that is given must hold. `names` are the words it knows, as they are told to people."""

    names: ClassVar[Sequence[str]]

    def to_internal_value(self, data: Any) -> Any:  # Any: as the framework declares it
        """This will refuse names it does not know: a misspelt one would mean more than was meant."""
        unknown = sorted(set(data) - set(self.names)) if isinstance(data, dict) else []
        if unknown:
            message = f"is no word of a filter: known are {', '.join(self.names)}"
            raise serializers.ValidationError(dict.fromkeys(unknown, message))
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:  # Any: as the framework declares it
        """This will refuse a selection that says nothing."""
        if not attrs:
            raise serializers.ValidationError(f"says nothing: give at least one of {', '.join(self.names)}")
        return attrs
