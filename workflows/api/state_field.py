"""A field for a closed set of states, which the API's documentation names once and refers to everywhere."""

from enum import StrEnum
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from rest_framework import serializers


class StateField(serializers.ChoiceField):
    """One of the values of an enumeration."""

    def __init__(self, states: type[StrEnum], **options: Any) -> None:  # Any: as the framework declares them
        super().__init__(choices=[(state.value, state.value) for state in states], **options)
        self.states = states


class StateFieldDocumentation(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # its metaclass has no types
    """Documents the enumeration as a component of its own name."""

    target_class = StateField

    def map_serializer_field(self, auto_schema: AutoSchema, _direction: str) -> dict[str, Any]:
        """This will give a reference to the enumeration."""
        states: type[StrEnum] = self.target.states
        component = ResolvedComponent(  # type: ignore[no-untyped-call]  # it has no types
            name=states.__name__,
            type=ResolvedComponent.SCHEMA,
            schema={"type": "string", "enum": [state.value for state in states]},
            object=states,
        )
        auto_schema.registry.register_on_missing(component)
        reference: dict[str, Any] = component.ref
        return reference
