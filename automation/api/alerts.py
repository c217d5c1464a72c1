"""Alerts over HTTP: what is and was wrong, and the rules: list, read, set, delete."""

from typing import Any

import django_filters
from django.utils import timezone
from django_filters.rest_framework import FilterSet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from automation.alerting import rules
from automation.alerting.rule import RuleKind
from automation.models import Alert, AlertRule
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.pagination import ByName, NewestNumberFirst


class AlertSerializer(serializers.Serializer[Any]):
    """Something a rule has found; `ended_at` is null while it is under way."""

    id = serializers.IntegerField()
    rule = serializers.CharField()
    kind = serializers.CharField()
    object = serializers.CharField()
    words = serializers.CharField()
    began_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField()
    told_at = serializers.DateTimeField()
    told = serializers.IntegerField(help_text="How often somebody was told.")
    ended_at = serializers.DateTimeField(allow_null=True)


class AlertRuleSerializer(serializers.Serializer[Any]):
    """What is looked at, and who is told."""

    name = serializers.CharField()
    kind = serializers.CharField()
    object = serializers.CharField()
    count = serializers.IntegerField()
    over_s = serializers.FloatField()
    repeat_s = serializers.FloatField()
    tell = serializers.ListField(child=serializers.CharField())
    tells_end = serializers.BooleanField()
    is_enabled = serializers.BooleanField()
    is_declared = serializers.BooleanField(help_text="Written in a file: changed there only.")
    updated_at = serializers.DateTimeField()
    updated_by = serializers.CharField()


class AlertRuleFormSerializer(serializers.Serializer[Any]):
    """What a rule shall be; lengths of time are written as 90s, 5m or 4h."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in RuleKind])
    object = serializers.CharField(required=False, allow_blank=True, max_length=230)
    count = serializers.IntegerField(required=False, min_value=0)
    over = serializers.CharField(required=False)
    repeat = serializers.CharField(required=False)
    tell = serializers.ListField(child=serializers.CharField(max_length=550), allow_empty=False)
    tells_end = serializers.BooleanField(required=False)
    is_enabled = serializers.BooleanField(required=False)


class AlertFilter(FilterSet):
    """Alerts; `ended` false: only those under way."""

    rule = django_filters.CharFilter()
    kind = django_filters.ChoiceFilter(choices=[(kind.value, kind.value) for kind in RuleKind])
    ended = django_filters.BooleanFilter(field_name="ended_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = Alert
        fields = ()


class AlertViewSet(ApiViewSet):
    """What is and was wrong."""

    serializer_class = AlertSerializer
    pagination_class = NewestNumberFirst
    filterset_class = AlertFilter
    queryset = Alert.objects.order_by("-id")

    def list(self, _request: Request) -> Response:
        """List alerts, the newest first."""
        return self.page_of(Alert.objects.order_by("-id"))


class AlertRuleViewSet(ApiViewSet):
    """What is looked at, and who is told."""

    write_scope = Scope.ADMIN
    serializer_class = AlertRuleSerializer
    pagination_class = ByName
    queryset = AlertRule.objects.order_by("name")

    def list(self, _request: Request) -> Response:
        """List the rules by name."""
        return self.page_of(AlertRule.objects.order_by("name"))

    @extend_schema(responses={200: AlertRuleSerializer, **problems(404)})
    def retrieve(self, _request: Request, name: str) -> Response:
        """Read a rule."""
        return Response(AlertRuleSerializer(rules.get_rule(name)).data)

    @extend_schema(
        request=AlertRuleFormSerializer,
        responses={200: AlertRuleSerializer, 201: AlertRuleSerializer, **problems(400, 409, 422)},
    )
    def update(self, request: Request, name: str) -> Response:
        """Make a rule or change it; the same again changes nothing."""
        wanted = AlertRuleFormSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        rule = rules.read_rule(name, wanted.validated_data)
        row, is_new = rules.set_rule(rule=rule, actor=actor_of(request), now=timezone.now())
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(AlertRuleSerializer(row).data, status=code)

    @extend_schema(responses={204: None, **problems(404, 409)})
    def destroy(self, request: Request, name: str) -> Response:
        """Delete a rule; what it found is over, and nobody is told."""
        rules.delete_rule(name=name, actor=actor_of(request), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)
