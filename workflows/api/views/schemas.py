"""The published JSON Schema of definitions, for editors; open to everybody, for it holds no data."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from workflows import schema


@require_safe
@cache_control(public=True, max_age=3600)
def definition_schema(_request: HttpRequest) -> HttpResponse:
    """This will answer with the schema (JSON Schema 2020-12)."""
    return HttpResponse(_text(), content_type="application/schema+json")
