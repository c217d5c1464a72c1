"""Sets up Django for the benchmark's own process, and the environment of the processes it starts."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parent.parent
APP = "benchmarks"
_SERVERS = ("DATABASE_URL", "BROKER_URL", "REDIS_URL")


def set_up_django() -> None:
    """This will load the platform's settings with our functions; it must come before any import of a model."""
    missing = [name for name in _SERVERS if name not in os.environ]
    if missing:
        command = "python -m config.private_services --durable -- python -m benchmarks"
        sys.exit(f"benchmarks: {', '.join(missing)} not set: use `make bench`, which runs {command}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ["EXTRA_APPS"] = ",".join(filter(None, [os.environ.get("EXTRA_APPS", ""), APP]))
    os.environ["LOG_LEVEL"] = "WARNING"
    django.setup()


def of_platform() -> Mapping[str, str]:
    """This will be the environment of our processes."""
    return dict(os.environ)


def of_floor() -> Mapping[str, str]:
    """This will be the environment of a bare process: the servers, and nothing that would load our settings."""
    return {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
