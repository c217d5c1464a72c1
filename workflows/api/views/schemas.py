"""The published JSON Schema of definitions, for editors; open to everybody, for it holds no data."""

from functools import cache

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from workflows.definition_schema import published_schema
from workflows.operations import publishing


@require_safe
@cache_control(public=True, max_age=3600)
def definition_schema(_request: HttpRequest) -> HttpResponse:
    """This will answer with the schema (JSON Schema 2020-12), with everything `uses` may name on this site."""
    return HttpResponse(_text(), content_type="application/schema+json")


@cache
def _text() -> bytes:
    return orjson.dumps(published_schema(publishing.uses(), lanes=settings.LANES))
