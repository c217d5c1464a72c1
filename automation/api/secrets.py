"""Stored secrets over HTTP: list, read, set, delete; a value goes in and never comes out."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import queries, secret_operations
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.pagination import ByName


class SecretSerializer(serializers.Serializer[Any]):
    """A stored secret, all but its value."""

    name = serializers.CharField(help_text="What a reference says after db:")
    description = serializers.CharField()
    version = serializers.IntegerField(help_text="How often it was given a value.")
    key_id = serializers.CharField(help_text="Which key of SECRETS_KEYS opens it.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    updated_by = serializers.CharField()


class SecretDetailSerializer(SecretSerializer):
    """A stored secret, all but its value, with what refers to it."""

    used_by = serializers.SerializerMethodField()

    def get_used_by(self, secret: Any) -> list[str]:  # Any: as the framework declares it
        """This will name what refers to it, such as `connection shop`."""
        return queries.users_of_secret(secret.name)


class SecretFormSerializer(serializers.Serializer[Any]):
    """What a secret shall be."""

    value = serializers.CharField(write_only=True, trim_whitespace=False, help_text="It is never given back.")
    description = serializers.CharField(required=False, allow_blank=True, max_length=500)


class SecretViewSet(ApiViewSet):
    """Secrets in the platform's own encrypted table."""

    write_scope = Scope.ADMIN
    serializer_class = SecretSerializer
    pagination_class = ByName
    queryset = queries.secrets()

    def list(self, _request: Request) -> Response:
        """List stored secrets by name."""
        return self.page_of(queries.secrets())

    @extend_schema(responses={200: SecretDetailSerializer, **problems(404)})
    def retrieve(self, _request: Request, name: str) -> Response:
        """Read what is known of a secret besides its value."""
        return Response(SecretDetailSerializer(queries.get_secret(name)).data)

    @extend_schema(
        request=SecretFormSerializer, responses={200: SecretSerializer, 201: SecretSerializer, **problems(400, 422)}
    )
    def update(self, request: Request, name: str) -> Response:
        """Store a secret, or give it another value."""
        wanted = SecretFormSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        row, is_new = secret_operations.set_secret(
            name=name, actor=actor_of(request), now=timezone.now(), **wanted.validated_data
        )
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(SecretSerializer(row).data, status=code)

    @extend_schema(responses={204: None, **problems(404, 409)})
    def destroy(self, request: Request, name: str) -> Response:
        """Delete a secret that nothing refers to."""
        secret_operations.delete_secret(name=name, actor=actor_of(request), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)
