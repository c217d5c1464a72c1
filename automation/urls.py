"""The paths under /api/v1/: the engine's API, its documentation, and an answer for everything else."""

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView, SpectacularYAMLAPIView

from automation import openapi, problems

__all__ = ["openapi", "urlpatterns"]

urlpatterns = [
    path("", include("workflows.api.urls")),
    path("", include("automation.api.urls")),
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("openapi.yaml", SpectacularYAMLAPIView.as_view()),
    path("docs", SpectacularSwaggerView.as_view(url_name="openapi"), name="api-docs"),
    re_path("", problems.unknown_path),
]
