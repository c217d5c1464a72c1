"""Where each part of the site lives; the parts say themselves what they contain."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("", include("workflows.urls")),
    path("api/v1/", include("reconciliation.urls")),
    path("api/v1/", include("automation.urls")),
]
