"""What a WSGI server serves; it never reads settings of its own."""

import os

import structlog
from django.core.wsgi import get_wsgi_application

from config import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
tracing.start("web")

application = get_wsgi_application()
structlog.get_logger(__name__).info("web_started")
