"""What an ASGI server serves: the intake of webhooks and nothing else; it never reads settings of its own."""

import os

import django
import structlog

from config import draining, process

process.only_works()  # before the settings are read
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from automation.intake.serving import make_intake  # noqa: E402  models are ready only now

application = make_intake(is_draining=draining.is_draining)
structlog.get_logger(__name__).info("intake_started")
